package streamchange

import (
	"cmp"
	"encoding/base64"
	"slices"
)

// Plain converts an image to the types of encoding/json: string, json.Number with
// all digits, bool, nil, []any and map[string]any. A binary becomes its base64.
// Sets become sorted lists, so that reflect.DeepEqual of two images of the same
// item is true. A nil image is nil.
func Plain(image Image) map[string]any {
	if image == nil {
		return nil
	}
	return plainMap(image)
}

func plainMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for name, v := range m {
		out[name] = plain(v)
	}
	return out
}

func plain(v any) any {
	switch v := v.(type) {
	case Binary:
		return base64.StdEncoding.EncodeToString(v)
	case StringSet:
		return plainSet(v)
	case NumberSet:
		return plainSet(v)
	case BinarySet:
		texts := make([]string, len(v))
		for i, b := range v {
			texts[i] = base64.StdEncoding.EncodeToString(b)
		}
		return plainSet(texts)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plain(e)
		}
		return list
	case map[string]any:
		return plainMap(v)
	}
	return v
}

func plainSet[T cmp.Ordered](set []T) []any {
	list := make([]any, 0, len(set))
	for _, e := range slices.Sorted(slices.Values(set)) {
		list = append(list, e)
	}
	return list
}
