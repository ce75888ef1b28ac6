package dynamotable

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
)

// Attributes returns it as DynamoDB stores it, converted by attributevalue. JSON
// strings, numbers, bools, null, arrays and objects become S, N, BOOL, NULL, L
// and M. Numbers keep all their digits. If the data is not a JSON object, the
// error is a *pipeline.ItemError. Attributes does not check the limits of
// pipeline.CheckItem.
func Attributes(it pipeline.Item) (map[string]types.AttributeValue, error) {
	dec := json.NewDecoder(bytes.NewReader(it.Data))
	dec.UseNumber()
	var data map[string]any
	if err := dec.Decode(&data); err != nil {
		return nil, &pipeline.ItemError{Key: it.Key, Field: "Data", Reason: "is not a JSON object: " + err.Error()}
	}
	if data == nil { // JSON null
		data = map[string]any{}
	}
	normalizeNumbers(data)
	data[pipeline.AttrPK], data[pipeline.AttrSK] = it.Key.PK, it.Key.SK
	data[pipeline.AttrVersion] = it.Version
	if !it.Expires.IsZero() {
		data[pipeline.AttrExpires] = it.Expires.Unix()
	}
	attrs, err := attributevalue.MarshalMap(data)
	if err != nil {
		return nil, &pipeline.ItemError{Key: it.Key, Field: "Data", Reason: "has no DynamoDB form: " + err.Error()}
	}
	return attrs, nil
}

// normalizeNumbers replaces the numbers in v, at any depth, by their DynamoDB
// form. v is decoded by encoding/json under UseNumber.
func normalizeNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return json.Number(plainNumber(v.String()))
	case []any:
		for i := range v {
			v[i] = normalizeNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = normalizeNumbers(v[name])
		}
	}
	return v
}

// Item returns the item that DynamoDB stores as attrs, converted by
// attributevalue. It also reads items of other writers: sets become sorted
// arrays and binaries their base64, and an item without a version or an expiry
// has none. The error is a *pipeline.ItemError that names the attribute.
func Item(attrs map[string]types.AttributeValue) (pipeline.Item, error) {
	var it pipeline.Item
	fail := func(field, format string, args ...any) (pipeline.Item, error) {
		return pipeline.Item{}, &pipeline.ItemError{Key: it.Key, Field: field, Reason: fmt.Sprintf(format, args...)}
	}
	data := make(map[string]any, len(attrs))
	err := attributevalue.UnmarshalMapWithOptions(attrs, &data, func(o *attributevalue.DecoderOptions) { o.UseNumber = true })
	if err != nil {
		return fail("Data", "has no JSON form: %v", err)
	}
	for _, own := range []struct {
		name     string
		into     *string
		required bool
	}{{pipeline.AttrPK, &it.Key.PK, true}, {pipeline.AttrSK, &it.Key.SK, true}, {pipeline.AttrVersion, &it.Version, false}} {
		v, ok := data[own.name]
		text, isText := v.(string)
		if (ok || own.required) && !isText {
			return fail(own.name, "is not a string")
		}
		*own.into = text
		delete(data, own.name)
	}
	if v, ok := data[pipeline.AttrExpires]; ok {
		n, _ := v.(attributevalue.Number)
		seconds, err := strconv.ParseInt(string(n), 10, 64)
		if err != nil {
			return fail(pipeline.AttrExpires, "got %v, want a number of whole seconds", v)
		}
		it.Expires = time.Unix(seconds, 0).UTC()
		delete(data, pipeline.AttrExpires)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(jsonValue(data)); err != nil {
		return fail("Data", "has no JSON form: %v", err)
	}
	it.Data = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return it, nil
}

// jsonValue returns v, which attributevalue decoded under UseNumber, in the form
// that encoding/json encodes without loss. It may change v.
func jsonValue(v any) any {
	switch v := v.(type) {
	case attributevalue.Number:
		return json.Number(v)
	case []string:
		slices.Sort(v)
	case []attributevalue.Number:
		slices.Sort(v)
		numbers := make([]json.Number, len(v))
		for i, n := range v {
			numbers[i] = json.Number(n)
		}
		return numbers
	case [][]byte:
		texts := make([]string, len(v))
		for i, b := range v {
			texts[i] = base64.StdEncoding.EncodeToString(b)
		}
		slices.Sort(texts)
		return texts
	case []any:
		for i := range v {
			v[i] = jsonValue(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = jsonValue(v[name])
		}
	}
	return v
}

func keyAttributes(k pipeline.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		pipeline.AttrPK: &types.AttributeValueMemberS{Value: k.PK},
		pipeline.AttrSK: &types.AttributeValueMemberS{Value: k.SK},
	}
}
