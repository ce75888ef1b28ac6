package streamchange

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Plain returns an image as templates and encoding/json like it: strings,
// json.Number with all its digits, bools, nil, []any and map[string]any. A binary
// is its base64. Sets are sorted lists, so that two images of the same item are
// equal by reflect.DeepEqual. A nil image is nil.
func Plain(image map[string]types.AttributeValue) map[string]any {
	if image == nil {
		return nil
	}
	m := make(map[string]any, len(image))
	for name, v := range image {
		m[name] = plain(v)
	}
	return m
}

func plain(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return json.Number(v.Value)
	case *types.AttributeValueMemberB:
		return base64.StdEncoding.EncodeToString(v.Value)
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberSS:
		return plainSet(v.Value, func(s string) any { return s })
	case *types.AttributeValueMemberNS:
		return plainSet(v.Value, func(s string) any { return json.Number(s) })
	case *types.AttributeValueMemberBS:
		texts := make([]string, len(v.Value))
		for i, b := range v.Value {
			texts[i] = base64.StdEncoding.EncodeToString(b)
		}
		return plainSet(texts, func(s string) any { return s })
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i, e := range v.Value {
			list[i] = plain(e)
		}
		return list
	case *types.AttributeValueMemberM:
		return Plain(v.Value)
	}
	return nil // NULL
}

func plainSet(set []string, element func(string) any) []any {
	list := make([]any, 0, len(set))
	for _, s := range slices.Sorted(slices.Values(set)) {
		list = append(list, element(s))
	}
	return list
}
