package streamchange_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
)

// everyType is an item with an attribute of each type.
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

func TestDecodeImageRejectsInvalidImages(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"L":[`, n) + `{"S":"x"}` + strings.Repeat(`]}`, n) }
	for _, c := range []struct{ image, want string }{
		{``, "image is not JSON"},
		{`{}x`, "image is not JSON: more than one value"},
		{`[]`, "image is not an object"},
		{`{"a":{"L":[{"M":{"b":{"SS":["x",1]}}}]}}`, "image: a[0].b[1] is not a string"},
		{`{"a":null}`, "image: a is not an attribute"},
		{`{"a":"x"}`, "image: a is not an attribute"},
		{`{"a":{}}`, "image: a has 0 types, want 1"},
		{`{"a":{"S":"x","N":"1"}}`, "image: a has 2 types, want 1"},
		{`{"a":{"S":"x"},"a":{"S":"y"}}`, "image: a appears twice"},
		{`{"a":{"s":"x"}}`, `image: a has the unknown type "s"`},
		{`{"a":{"S":null}}`, "image: a is not a string"},
		{`{"a":{"N":1}}`, "image: a is not a string"},
		{`{"a":{"N":"one"}}`, `image: a is "one", want a number`},
		{`{"a":{"N":""}}`, `image: a is "", want a number`},
		{`{"a":{"N":"NaN"}}`, `image: a is "NaN", want a number`},
		{`{"a":{"N":"1 "}}`, `image: a is "1 ", want a number`},
		{`{"a":{"NS":["1","x"]}}`, `image: a[1] is "x", want a number`},
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

// A long name is not copied for each value within. The test is not parallel,
// because it counts the allocations of the process.
func TestPathsAreOnlyBuiltForErrors(t *testing.T) {
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
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := streamchange.DecodeImage(data); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	if limit := uint64(20 * len(data)); allocated > limit {
		t.Errorf("got %d bytes allocated for an image of %d, want at most %d", allocated, len(data), limit)
	}
}
