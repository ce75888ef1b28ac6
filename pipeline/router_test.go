package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"sluice/pipeline"
)

func TestRouterPassesDataAndID(t *testing.T) {
	t.Parallel()
	var got pipeline.Record
	var message pipeline.Message
	rt := pipeline.Router{
		"b": func(ctx context.Context, r pipeline.Record) error {
			got = r
			message, _ = pipeline.MessageFrom(ctx)
			return errAgain
		},
		"a": nil,
	}
	r := pipeline.Record{ID: "sqs", Cause: "cause", Body: []byte(`{"type":"b","data":{"n":1}}`), Attrs: map[string]string{"traceparent": "tp"}}
	if err := rt.Handle(t.Context(), r); !errors.Is(err, errAgain) || pipeline.IsPermanent(err) {
		t.Errorf("error: got %v, want that of the handler", err)
	}
	if string(got.Body) != `{"n":1}` || got.ID != "sqs" || got.Cause != "cause" {
		t.Errorf("handler received %+v, want the message's data as body and, without a message id, the record's cause", got)
	}
	if message.ID != "cause" || message.TraceParent != "tp" {
		t.Errorf("message: got %+v, want the record's cause as id and its traceparent", message)
	}

	r.Body = []byte(`{"id":"own","type":"b"}`)
	_ = rt.Handle(t.Context(), r)
	if got.Cause != "own" {
		t.Errorf("cause: got %q, want the message's own id", got.Cause)
	}
}

func TestRouterRejectsUnknownTypesAndBodies(t *testing.T) {
	t.Parallel()
	rt := pipeline.Router{"b": nil, "a": nil}
	unknown := rt.Handle(t.Context(), pipeline.Record{Body: []byte(`{"type":"x"}`)})
	e, ok := errors.AsType[*pipeline.UnknownTypeError](unknown)
	if !ok || !pipeline.IsPermanent(unknown) || e.Type != "x" || !slices.Equal(e.Known, []string{"a", "b"}) || !strings.Contains(unknown.Error(), "a, b") {
		t.Errorf("unknown type: got %v, want a permanent *UnknownTypeError that names a and b", unknown)
	}
	broken := rt.Handle(t.Context(), pipeline.Record{Body: []byte(`{`)})
	if _, ok := errors.AsType[*pipeline.BodyError](broken); !ok || !pipeline.IsPermanent(broken) {
		t.Errorf("not a message: got %v, want a permanent *BodyError", broken)
	}
}

func TestRouterEndsLoopsAtTheHopLimit(t *testing.T) {
	t.Parallel()
	// Each message causes the next one.
	next := []byte(`{"id":"0","type":"t","traceparent":"tp"}`)
	hops := 0
	rt := pipeline.Router{"t": func(ctx context.Context, _ pipeline.Record) error {
		hops++
		m, err := pipeline.NewMessage(ctx, "t", "", nil)
		if err != nil {
			return err
		}
		if m.TraceParent != "tp" {
			t.Errorf("traceparent: got %q, want tp", m.TraceParent)
		}
		next, err = json.Marshal(m)
		return err
	}}
	var err error
	for range 100 {
		if err = rt.Handle(t.Context(), pipeline.Record{Body: next}); err != nil {
			break
		}
	}
	e, ok := errors.AsType[*pipeline.HopLimitError](err)
	if !ok || !pipeline.IsPermanent(err) || e.Hops != pipeline.MaxHops+1 || hops != pipeline.MaxHops+1 {
		t.Errorf("after %d hops: got %v, want a permanent *HopLimitError after %d", hops, err, pipeline.MaxHops+1)
	}
}
