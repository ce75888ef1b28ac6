package attributes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/lambdaevent/streamchange"
)

func TestImageJSONReversesDecodeImage(t *testing.T) {
	t.Parallel()
	read, err := streamchange.DecodeImage([]byte(everyType))
	if err != nil {
		t.Fatal(err)
	}
	image := attributes.Values(read)
	for range 20 { // map order is random
		got, err := attributes.ImageJSON(image)
		if err != nil || string(got) != everyType {
			t.Fatalf("got %s and %v\nwant %s", got, err, everyType)
		}
	}
	if got, err := attributes.ImageJSON(nil); string(got) != "null" || err != nil {
		t.Errorf("nil: got %s and %v", got, err)
	}
	if got, err := attributes.ImageJSON(map[string]types.AttributeValue{}); string(got) != "{}" || err != nil {
		t.Errorf("empty: got %s and %v", got, err)
	}
}

func TestImageJSONRejectsInvalidValues(t *testing.T) {
	t.Parallel()
	var deep types.AttributeValue = &types.AttributeValueMemberNULL{Value: true}
	for range 33 {
		deep = &types.AttributeValueMemberL{Value: []types.AttributeValue{deep}}
	}
	for _, c := range []struct {
		value types.AttributeValue
		want  string
	}{
		{nil, "image: a has the unknown type <nil>"},
		{&types.UnknownUnionMember{Tag: "X"}, "image: a has the unknown type *types.UnknownUnionMember"},
		{&types.AttributeValueMemberL{Value: []types.AttributeValue{nil}}, "image: a[0] has the unknown type <nil>"},
		{&types.AttributeValueMemberN{Value: "NaN"}, `image: a is "NaN", want a number`},
		{&types.AttributeValueMemberN{Value: `1","x":"`}, `image: a is "1\",\"x\":\"", want a number`},
		{&types.AttributeValueMemberNS{Value: []string{"1", ""}}, `image: a[1] is "", want a number`},
		{&types.AttributeValueMemberS{Value: "\xff"}, "image: a is not UTF-8"},
		{&types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"\xff": deep}}, "is not UTF-8"},
		{deep, "is nested deeper than 32 levels"},
	} {
		got, err := attributes.ImageJSON(map[string]types.AttributeValue{"a": c.value})
		if _, ok := errors.AsType[*lambdaevent.EventError](err); !ok || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("got %s and %v, want %s", got, err, c.want)
		}
	}
}
