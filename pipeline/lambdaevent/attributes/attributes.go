// Package attributes leads from the images of package streamchange to the types
// of AWS's SDK and back, without loss.
package attributes

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline/lambdaevent/streamchange"
)

// Unmarshal decodes an image into v, which points to a map, an any or a struct
// with dynamodbav or json tags. Numbers in an any are attributevalue.Number,
// with all their digits.
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

// Plain is streamchange.Plain of an item in the SDK's types. A value of a type
// that the SDK does not know is nil.
func Plain(values map[string]types.AttributeValue) map[string]any {
	return streamchange.Plain(Image(values))
}

// Values returns an image in the SDK's types. A nil image is nil.
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

// Image returns an item in the SDK's types as an image, which shares its
// binaries and strings. A value of a type that the SDK does not know is nil.
func Image(values map[string]types.AttributeValue) streamchange.Image {
	if values == nil {
		return nil
	}
	return imageMap(values)
}

func imageMap(m map[string]types.AttributeValue) map[string]any {
	out := make(map[string]any, len(m))
	for name, v := range m {
		out[name] = imageValue(v)
	}
	return out
}

func imageValue(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return json.Number(v.Value)
	case *types.AttributeValueMemberB:
		return streamchange.Binary(v.Value)
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberSS:
		return streamchange.StringSet(v.Value)
	case *types.AttributeValueMemberNS:
		return streamchange.NumberSet(each(v.Value, func(s string) json.Number { return json.Number(s) }))
	case *types.AttributeValueMemberBS:
		return streamchange.BinarySet(v.Value)
	case *types.AttributeValueMemberL:
		return each(v.Value, imageValue)
	case *types.AttributeValueMemberM:
		return imageMap(v.Value)
	}
	return nil // NULL
}

func each[T, U any](all []T, f func(T) U) []U {
	out := make([]U, len(all))
	for i, e := range all {
		out[i] = f(e)
	}
	return out
}
