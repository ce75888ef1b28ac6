// Package attributes converts the images of package streamchange to the types of
// the AWS SDK and to Go structs, without loss.
package attributes

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline/lambdaevent/streamchange"
)

// Unmarshal decodes an image into v, a pointer to a map, an any or a struct with
// dynamodbav or json tags. A number in an any is an attributevalue.Number with
// all its digits.
func Unmarshal(image streamchange.Image, v any) error {
	err := attributevalue.UnmarshalMapWithOptions(Values(image), v, func(o *attributevalue.DecoderOptions) {
		o.UseNumber = true
		o.TagKey = "json"
	})
	if err != nil {
		return fmt.Errorf("unmarshal an image: %w", err)
	}
	return nil
}

// Values returns an image in the types of the SDK. A nil image is nil.
func Values(image streamchange.Image) map[string]types.AttributeValue {
	if image == nil {
		return nil
	}
	return valueMap(image)
}

func valueMap(m map[string]any) map[string]types.AttributeValue {
	out := make(map[string]types.AttributeValue, len(m))
	for name, v := range m {
		out[name] = value(v)
	}
	return out
}

func value(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case streamchange.Binary:
		return &types.AttributeValueMemberB{Value: v}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case streamchange.StringSet:
		return &types.AttributeValueMemberSS{Value: v}
	case streamchange.NumberSet:
		return &types.AttributeValueMemberNS{Value: each(v, json.Number.String)}
	case streamchange.BinarySet:
		return &types.AttributeValueMemberBS{Value: v}
	case []any:
		return &types.AttributeValueMemberL{Value: each(v, value)}
	case map[string]any:
		return &types.AttributeValueMemberM{Value: valueMap(v)}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}

func each[T, U any](all []T, f func(T) U) []U {
	out := make([]U, len(all))
	for i, e := range all {
		out[i] = f(e)
	}
	return out
}
