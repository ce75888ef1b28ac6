package streamchange_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"sluice/pipeline/lambdaevent/streamchange"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	image, err := streamchange.DecodeImage([]byte(everyType))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"b": "AAEC/w==", "bool": false, "bs": []any{"/w==", "AAEC"}, "empty": "",
		"l": []any{"x", json.Number("1"), []any{}, map[string]any{}},
		"m": map[string]any{"in": map[string]any{"deep": nil}},
		"n": json.Number("-1.5E+10"), "ns": []any{json.Number("3"), json.Number("9007199254740993")},
		"nul": nil, "s": "\"ü\n<", "ss": []any{"a", "b"}, "yes": true,
	}
	got := streamchange.Plain(image)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
	if streamchange.Plain(nil) != nil {
		t.Error("nil image: got an empty map, want nil")
	}
}

func TestPlainSetsAreEqualInAnyOrder(t *testing.T) {
	t.Parallel()
	c := goodChange(t, "sets-and-other-types")
	if before, after := streamchange.Plain(c.Old)["tags"], streamchange.Plain(c.New)["tags"]; !reflect.DeepEqual(before, after) {
		t.Errorf("got %v and %v", before, after)
	}
}
