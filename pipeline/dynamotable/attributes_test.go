package dynamotable_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
)

func TestAttributesAndItemRoundTrip(t *testing.T) {
	t.Parallel()
	expires := time.Unix(1_800_000_000, 999)
	it := pipeline.Item{
		Key: pipeline.Key{PK: "p", SK: "s"}, Version: "v", Expires: expires,
		Data: json.RawMessage(`{"s":"","n":9007199254740993,"t":true,"z":null,"l":[1.50,"x",[]],"m":{"PK":{"b":false}},"<&>":"<&>\u2028"}`),
	}
	got, err := dynamotable.Attributes(it)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]types.AttributeValue{
		"PK":      &types.AttributeValueMemberS{Value: "p"},
		"SK":      &types.AttributeValueMemberS{Value: "s"},
		"version": &types.AttributeValueMemberS{Value: "v"},
		"expires": &types.AttributeValueMemberN{Value: "1800000000"},
		"s":       &types.AttributeValueMemberS{},
		"n":       &types.AttributeValueMemberN{Value: "9007199254740993"},
		"t":       &types.AttributeValueMemberBOOL{Value: true},
		"z":       &types.AttributeValueMemberNULL{Value: true},
		"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberN{Value: "1.5"},
			&types.AttributeValueMemberS{Value: "x"},
			&types.AttributeValueMemberL{Value: []types.AttributeValue{}},
		}},
		"m": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"b": &types.AttributeValueMemberBOOL{}}},
		}},
		"<&>": &types.AttributeValueMemberS{Value: "<&>\u2028"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	back, err := dynamotable.Item(got)
	if err != nil {
		t.Fatal(err)
	}
	const data = `{"<&>":"<&>\u2028","l":[1.5,"x",[]],"m":{"PK":{"b":false}},"n":9007199254740993,"s":"","t":true,"z":null}`
	if string(back.Data) != data {
		t.Errorf("got the data %s, want %s", back.Data, data)
	}
	if back.Key != it.Key || back.Version != "v" || !back.Expires.Equal(time.Unix(1_800_000_000, 0)) {
		t.Errorf("got %v, want the key, version and expiry of %v", back, it)
	}
}

func TestAttributesRejectsDataThatIsNotAnObject(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, `[]`, `{"a"`} {
		_, err := dynamotable.Attributes(pipeline.Item{Data: []byte(data)})
		if _, ok := errors.AsType[*pipeline.ItemError](err); !ok {
			t.Errorf("%q: got the error %v, want an *ItemError", data, err)
		}
	}
}

func TestItemDecodesItemsOfOtherWriters(t *testing.T) {
	t.Parallel()
	str := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	for _, tt := range []struct {
		name  string
		attrs map[string]types.AttributeValue
		data  string
		field string // of the *ItemError; "" means none
	}{
		{"key alone", nil, `{}`, ""},
		{"binary", map[string]types.AttributeValue{"b": &types.AttributeValueMemberB{Value: []byte{0, 1, 2, 255}}}, `{"b":"AAEC/w=="}`, ""},
		{"sets", map[string]types.AttributeValue{
			"ss": &types.AttributeValueMemberSS{Value: []string{"b", "a"}},
			"ns": &types.AttributeValueMemberNS{Value: []string{"2", "9007199254740993"}},
			"bs": &types.AttributeValueMemberBS{Value: [][]byte{{255}, {0}}},
		}, `{"bs":["/w==","AA=="],"ns":[2,9007199254740993],"ss":["a","b"]}`, ""},
		{"version of another type", map[string]types.AttributeValue{"version": &types.AttributeValueMemberN{Value: "1"}}, "", "version"},
		{"expiry of another type", map[string]types.AttributeValue{"expires": str("tomorrow")}, "", "expires"},
		{"expiry with a fraction", map[string]types.AttributeValue{"expires": &types.AttributeValueMemberN{Value: "1.5"}}, "", "expires"},
		{"PK of another type", map[string]types.AttributeValue{"PK": &types.AttributeValueMemberN{Value: "1"}}, "", "PK"},
		{"no SK", map[string]types.AttributeValue{"SK": nil}, "", "SK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			attrs := map[string]types.AttributeValue{"PK": str("p"), "SK": str("s")}
			for name, v := range tt.attrs {
				attrs[name] = v
			}
			before := len(attrs)
			it, err := dynamotable.Item(attrs)
			if len(attrs) != before {
				t.Error("Item changed the map that it was given")
			}
			if tt.field != "" {
				if refused, ok := errors.AsType[*pipeline.ItemError](err); !ok || refused.Field != tt.field {
					t.Errorf("got the error %v, want an *ItemError for %q", err, tt.field)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(it.Data) != tt.data || it.Version != "" || !it.Expires.IsZero() {
				t.Errorf("got %v with the data %s, want %s, no version and no expiry", it, it.Data, tt.data)
			}
		})
	}
}
