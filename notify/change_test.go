package notify

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	type image = map[string]any
	for name, row := range map[string]struct {
		old, new image
		expired  bool
		want     []string // kind from>to attribute
	}{
		"no images":                {nil, nil, false, nil},
		"no images, expired":       {nil, nil, true, nil},
		"created":                  {nil, image{"status": "pending"}, false, []string{"created >pending "}},
		"created without status":   {nil, image{}, false, []string{"created > "}},
		"created, flag is ignored": {nil, image{"a": "1"}, true, []string{"created > "}},
		"removed":                  {image{"status": "ready"}, nil, false, []string{"removed ready> "}},
		"expired":                  {image{"status": "ready"}, nil, true, []string{"expired ready> "}},
		"equal images":             {image{"status": "a", "n": json.Number("9007199254740993")}, image{"status": "a", "n": json.Number("9007199254740993")}, false, nil},
		"another attribute":        {image{"status": "a", "n": json.Number("1")}, image{"status": "a", "n": json.Number("2")}, false, nil},
		"an attribute came":        {image{"status": "a"}, image{"status": "a", "n": "1"}, false, nil},
		"status changed":           {image{"status": "pending"}, image{"status": "active"}, false, []string{"status-changed pending>active "}},
		"status changed and back":  {image{"status": "active"}, image{"status": "pending"}, false, []string{"status-changed active>pending "}},
		"status came":              {image{}, image{"status": "new"}, false, []string{"status-changed >new "}},
		"status gone":              {image{"status": "a"}, image{"x": "1"}, false, []string{"status-changed a> ", "attribute-removed a> status"}},
		"status null":              {image{"status": "a"}, image{"status": nil}, false, []string{"status-changed a> "}},
		"status is a number":       {image{"status": json.Number("1")}, image{"status": json.Number("2")}, false, []string{"status-changed 1>2 "}},
		"status is a bool":         {image{"status": false}, image{"status": true}, false, []string{"status-changed false>true "}},
		"status is a list":         {image{"status": []any{"a"}}, image{"status": []any{"b"}}, false, nil},
		"attributes removed": {
			image{"status": "a", "z": "1", "b": nil, "k": "1"},
			image{"status": "a", "k": "1"},
			false,
			[]string{"attribute-removed a>a b", "attribute-removed a>a z"},
		},
		"attribute null is there": {image{"a": "1"}, image{"a": nil}, false, nil},
		"status and attribute": {
			image{"status": "a", "lock": "x"},
			image{"status": "b"},
			false,
			[]string{"status-changed a>b ", "attribute-removed a>b lock"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Change{ID: "e", Key: "k", At: at, Old: row.old, New: row.new, Expired: row.expired}
			var got []string
			for _, e := range Events(c) {
				got = append(got, fmt.Sprintf("%s %s>%s %s", e.Kind, e.From, e.To, e.Attribute))
				if !reflect.DeepEqual(e.Change, c) {
					t.Errorf("event %s does not hold its change", e.Kind)
				}
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestItem(t *testing.T) {
	t.Parallel()
	old, new := map[string]any{"a": "old"}, map[string]any{"a": "new"}
	for _, row := range []struct {
		c    Change
		want any
	}{{Change{Old: old, New: new}, "new"}, {Change{Old: old}, "old"}, {Change{New: new}, "new"}, {Change{}, nil}} {
		if got := row.c.Item()["a"]; got != row.want {
			t.Errorf("got %v, want %v", got, row.want)
		}
	}
}

// FuzzEvents checks that the events of any two images are consistent and stable.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"status":"a"}`), []byte(`{"status":"b"}`), false)
	f.Add([]byte(`null`), []byte(`{}`), true)
	f.Add([]byte(`{"a":[1,{"b":null}],"status":{}}`), []byte(`null`), true)
	f.Fuzz(func(t *testing.T, old, new []byte, expired bool) {
		c := Change{ID: "e", Key: "k", At: at, Expired: expired}
		if json.Unmarshal(old, &c.Old) != nil || json.Unmarshal(new, &c.New) != nil {
			t.Skip("no image")
		}
		events := Events(c)
		if !reflect.DeepEqual(events, Events(c)) {
			t.Error("the same change gave other events")
		}
		if reflect.DeepEqual(c.Old, c.New) && len(events) > 0 {
			t.Errorf("equal images gave %d events", len(events))
		}
		whole := 0
		for i, e := range events {
			if e.Kind != AttributeRemoved {
				whole++
			}
			if i > 0 && (e.Kind != AttributeRemoved || e.Attribute <= events[i-1].Attribute) {
				t.Errorf("event %d is %s %q after %s %q", i, e.Kind, e.Attribute, events[i-1].Kind, events[i-1].Attribute)
			}
		}
		if whole > 1 {
			t.Errorf("%d events of the whole record", whole)
		}
		if (c.Old == nil) != (c.New == nil) && whole != 1 {
			t.Errorf("a record came or went, and %d events tell so", whole)
		}
	})
}
