package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sluice/pipeline"
)

type embedded struct {
	Inner []int `json:"inner"`
}

type order struct {
	embedded
	ID    string
	Lines []struct{ Count int }
}

func (o *order) Validate() error {
	if o.ID == "" {
		return errors.New("id is missing")
	}
	return nil
}

func TestTypedDecodesTheBody(t *testing.T) {
	t.Parallel()
	var got order
	h := pipeline.Typed(func(_ context.Context, _ pipeline.Record, o order) error {
		got = o
		return errAgain
	})
	err := h(t.Context(), pipeline.Record{Body: []byte(`{"ID":"1","Lines":[{"Count":2}]}`)})
	if !errors.Is(err, errAgain) || pipeline.IsPermanent(err) {
		t.Errorf("error: got %v, want that of the handler", err)
	}
	if got.ID != "1" || len(got.Lines) != 1 || got.Lines[0].Count != 2 {
		t.Errorf("body: got %+v", got)
	}
}

func TestTypedRejectsInvalidBodies(t *testing.T) {
	t.Parallel()
	h := pipeline.Typed(func(context.Context, pipeline.Record, order) error {
		t.Error("handler was called")
		return nil
	})
	for _, tt := range []struct{ name, body, want string }{
		{"syntax", `{"ID":"1"`, "body: at byte 9: invalid JSON"},
		{"type", `{"ID":"1","Lines":[{"Count":"two"}]}`, `body: field "Lines.Count" at byte 33: got a JSON string, want a whole number`},
		{"embedded", `{"ID":"1","inner":{}}`, `body: field "inner" at byte 19: got a JSON object, want an array`},
		{"empty", ``, "body: got nothing, want JSON"},
		{"null", `null`, "body: got null, want a JSON value"},
		{"invalid", `{"ID":""}`, "id is missing"},
		{"more than one value", `{"ID":"1"}{}`, "invalid JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := h(t.Context(), pipeline.Record{Body: []byte(tt.body)})
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error: got %v, want a permanent one with %q", err, tt.want)
			}
		})
	}
}
