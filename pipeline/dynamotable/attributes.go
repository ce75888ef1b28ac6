package dynamotable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent/attributes"
)

// Attributes returns it as DynamoDB stores it. JSON strings, numbers, bools,
// null, arrays and objects become S, N, BOOL, NULL, L and M; numbers keep all
// their digits. The error is a *pipeline.ItemError where the
// data is no JSON object; the limits are pipeline.CheckItem's business.
func Attributes(it pipeline.Item) (map[string]types.AttributeValue, error) {
	dec := json.NewDecoder(bytes.NewReader(it.Data))
	dec.UseNumber()
	var data map[string]any
	if err := dec.Decode(&data); err != nil {
		return nil, &pipeline.ItemError{Key: it.Key, Field: "Data", Reason: "is not a JSON object: " + err.Error()}
	}
	attrs := make(map[string]types.AttributeValue, len(data)+4)
	for name, v := range data {
		attrs[name] = attribute(v)
	}
	for name, v := range keyAttributes(it.Key) {
		attrs[name] = v
	}
	attrs[pipeline.AttrVersion] = &types.AttributeValueMemberS{Value: it.Version}
	if !it.Expires.IsZero() {
		attrs[pipeline.AttrExpires] = &types.AttributeValueMemberN{Value: strconv.FormatInt(it.Expires.Unix(), 10)}
	}
	return attrs, nil
}

// attribute takes a value as encoding/json decodes it under UseNumber.
func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: plainNumber(v.String())}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i, e := range v {
			list[i] = attribute(e)
		}
		return &types.AttributeValueMemberL{Value: list}
	case map[string]any:
		m := make(map[string]types.AttributeValue, len(v))
		for name, e := range v {
			m[name] = attribute(e)
		}
		return &types.AttributeValueMemberM{Value: m}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}

// Item reads what DynamoDB stored: the reverse of Attributes, and more, for
// items that something else wrote. Sets become arrays, binaries their base64. An
// item without a version or an expiry has none. The error is a
// *pipeline.ItemError that names the attribute.
func Item(attrs map[string]types.AttributeValue) (pipeline.Item, error) {
	var it pipeline.Item
	rest := make(map[string]types.AttributeValue, len(attrs))
	for name, v := range attrs {
		rest[name] = v
	}
	take := func(name string, required bool) (string, error) {
		v, ok := rest[name]
		delete(rest, name)
		s, isString := v.(*types.AttributeValueMemberS)
		switch {
		case isString:
			return s.Value, nil
		case ok || required:
			return "", &pipeline.ItemError{Key: it.Key, Field: name, Reason: "is not a string"}
		}
		return "", nil
	}
	var err error
	if it.Key.PK, err = take(pipeline.AttrPK, true); err != nil {
		return pipeline.Item{}, err
	}
	if it.Key.SK, err = take(pipeline.AttrSK, true); err != nil {
		return pipeline.Item{}, err
	}
	if it.Version, err = take(pipeline.AttrVersion, false); err != nil {
		return pipeline.Item{}, err
	}
	if it.Expires, err = takeExpires(rest); err != nil {
		return pipeline.Item{}, &pipeline.ItemError{Key: it.Key, Field: pipeline.AttrExpires, Reason: err.Error()}
	}
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(attributes.Plain(rest)); err != nil {
		return pipeline.Item{}, &pipeline.ItemError{Key: it.Key, Field: "Data", Reason: err.Error()}
	}
	it.Data = bytes.TrimSuffix(data.Bytes(), []byte("\n"))
	return it, nil
}

// takeExpires removes the expiry from attrs.
func takeExpires(attrs map[string]types.AttributeValue) (time.Time, error) {
	v, ok := attrs[pipeline.AttrExpires]
	if !ok {
		return time.Time{}, nil
	}
	delete(attrs, pipeline.AttrExpires)
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}, fmt.Errorf("is a %T, not a number of seconds", v)
	}
	seconds, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("is not a number of seconds: %q", n.Value)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func keyAttributes(k pipeline.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		pipeline.AttrPK: &types.AttributeValueMemberS{Value: k.PK},
		pipeline.AttrSK: &types.AttributeValueMemberS{Value: k.SK},
	}
}
