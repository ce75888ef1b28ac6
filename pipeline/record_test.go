package pipeline_test

import (
	"context"
	"testing"
	"time"

	"sluice/pipeline"
)

func TestChainRunsTheFirstMiddlewareOutermost(t *testing.T) {
	t.Parallel()
	var j journal
	note := func(name string) pipeline.Middleware {
		return func(next pipeline.Handler) pipeline.Handler {
			return func(ctx context.Context, r pipeline.Record) error {
				j.add(name)
				return next(ctx, r)
			}
		}
	}
	h := pipeline.Chain(func(context.Context, pipeline.Record) error { j.add("handler"); return nil }, note("outer"), note("inner"))
	if err := h(t.Context(), pipeline.Record{}); err != nil {
		t.Fatal(err)
	}
	if got, want := j.String(), "outer inner handler"; got != want {
		t.Errorf("order: got %s, want %s", got, want)
	}
}

func TestRunPassesTheRecordInTheContext(t *testing.T) {
	t.Parallel()
	if _, ok := pipeline.RecordFrom(t.Context()); ok {
		t.Error("a context without a record: RecordFrom returned one")
	}
	var inner pipeline.Record
	pipeline.Run(t.Context(), batchOf(""), func(ctx context.Context, _ pipeline.Record) error {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		inner, _ = pipeline.RecordFrom(ctx)
		return nil
	}, pipeline.Options{})
	if inner.ID != "0" {
		t.Errorf("record in a handler's context: got %+v, want record 0", inner)
	}
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	t.Parallel()
	b := pipeline.Backoff(time.Second, time.Minute)
	for _, tt := range []struct {
		attempt  int
		min, max time.Duration
	}{
		{0, 500 * time.Millisecond, time.Second},
		{1, 500 * time.Millisecond, time.Second},
		{2, time.Second, 2 * time.Second},
		{6, 16 * time.Second, 32 * time.Second},
		{7, 30 * time.Second, time.Minute},
		{1 << 40, 30 * time.Second, time.Minute},
	} {
		for range 100 {
			if d := b(tt.attempt); d < tt.min || d > tt.max {
				t.Fatalf("attempt %d: got %v, want %v to %v", tt.attempt, d, tt.min, tt.max)
			}
		}
	}
}
