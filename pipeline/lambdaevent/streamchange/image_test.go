package streamchange_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
)

// everyType is an item with each type of attribute there is.
const everyType = `{"b":{"B":"AAEC/w=="},"bool":{"BOOL":false},"bs":{"BS":["AAEC","/w=="]},"empty":{"S":""},"l":{"L":[{"S":"x"},{"N":"1"},{"L":[]},{"M":{}}]},` +
	`"m":{"M":{"in":{"M":{"deep":{"NULL":true}}}}},"n":{"N":"-1.5E+10"},"ns":{"NS":["3","9007199254740993"]},"nul":{"NULL":true},"s":{"S":"\"ü\n\u003c"},"ss":{"SS":["b","a"]},"yes":{"BOOL":true}}`

func TestDecodeImage(t *testing.T) {
	t.Parallel()
	want := streamchange.Image{
		"b": streamchange.Binary{0, 1, 2, 255}, "bool": false, "bs": streamchange.BinarySet{{0, 1, 2}, {255}}, "empty": "",
		"l": []any{"x", json.Number("1"), []any{}, map[string]any{}},
		"m": map[string]any{"in": map[string]any{"deep": nil}},
		"n": json.Number("-1.5E+10"), "ns": streamchange.NumberSet{"3", "9007199254740993"},
		"nul": nil, "s": "\"ü\n<", "ss": streamchange.StringSet{"b", "a"}, "yes": true,
	}
	got, err := streamchange.DecodeImage([]byte(everyType))
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s: got %#v, want %#v", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d attributes, want %d", len(got), len(want))
	}
	if image, err := streamchange.DecodeImage([]byte("null")); image != nil || err != nil {
		t.Errorf("null: got %v and %v", image, err)
	}
}

func TestDecodeImageRefused(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"L":[`, n) + `{"S":"x"}` + strings.Repeat(`]}`, n) }
	for _, c := range []struct{ image, want string }{
		{``, "image is not JSON"},
		{`{}x`, "image is not JSON: more than one value"},
		{`[]`, "image is not an object"},
		{`{"a":{"L":[{"M":{"b":{"SS":["x",1]}}}]}}`, "image: a[0].b[1] is not a string"},
		{`{"a":null}`, "image: a is not an attribute"},
		{`{"a":"x"}`, "image: a is not an attribute"},
		{`{"a":{}}`, "image: a names 0 types"},
		{`{"a":{"S":"x","N":"1"}}`, "image: a names 2 types"},
		{`{"a":{"S":"x"},"a":{"S":"y"}}`, "image: a appears twice"},
		{`{"a":{"s":"x"}}`, `image: a has the unknown type "s"`},
		{`{"a":{"S":null}}`, "image: a is not a string"},
		{`{"a":{"N":1}}`, "image: a is not a string"},
		{`{"a":{"N":"one"}}`, `image: a is not a number: "one"`},
		{`{"a":{"N":""}}`, `image: a is not a number: ""`},
		{`{"a":{"N":"NaN"}}`, `image: a is not a number: "NaN"`},
		{`{"a":{"N":"1 "}}`, `image: a is not a number: "1 "`},
		{`{"a":{"NS":["1","x"]}}`, `image: a[1] is not a number: "x"`},
		{`{"a":{"B":"*"}}`, "image: a is not base64"},
		{`{"a":{"BS":"AA=="}}`, "image: a is not a list"},
		{`{"a":{"BOOL":"true"}}`, "image: a is not true or false"},
		{`{"a":{"NULL":null}}`, "image: a is not true or false"},
		{`{"a":{"M":[]}}`, "image: a is not an object"},
		{`{"a":` + deep(33) + `}`, "is nested deeper than 32 levels"},
		{`{"a":{"L":[` + strings.Repeat("[", 20000), "image is not JSON"},
	} {
		image, err := streamchange.DecodeImage([]byte(c.image))
		if _, ok := errors.AsType[*lambdaevent.EventError](err); !ok || !strings.Contains(err.Error(), c.want) || image != nil {
			t.Errorf("%.60s: got %v and %v, want %s", c.image, image, err, c.want)
		}
	}
	if _, err := streamchange.DecodeImage([]byte(`{"a":` + deep(32) + `}`)); err != nil {
		t.Errorf("32 levels: %v", err)
	}
}

// A long name above many values must not be copied for each of them.
func TestPathsCostNothingWithoutAnError(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	fmt.Fprintf(&b, `{"%s":{"M":{`, strings.Repeat("n", 60_000))
	for i := range 5000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%d":{"S":""}`, i)
	}
	b.WriteString(`}}}`)
	data := []byte(b.String())
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := streamchange.DecodeImage(data); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if limit := int64(20 * len(data)); allocated > limit {
		t.Errorf("%d bytes were allocated for an image of %d", allocated, len(data))
	}
}
