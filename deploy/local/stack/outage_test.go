package stack_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
	"sluice/pipeline"
	"sluice/workers/schema"
)

// TestOutageLeavesNoDeadLetters: a dependency fails for ten minutes, and every
// message of that time is done later. The batches fail as a whole, and the delays
// that the worker asked for hold.
func TestOutageLeavesNoDeadLetters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // removed outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(10 * time.Minute)
		s := stacktest.Open(t, func(o *stack.Options) {
			o.Dir = dir
			o.OrderStep = func(context.Context, schema.Order) error {
				if time.Now().Before(back) {
					return errors.New("the warehouse does not respond")
				}
				return nil
			}
		})
		var orders []pipeline.Message
		for i := range 25 {
			id := fmt.Sprint(i)
			orders = append(orders, stacktest.Message(t, "m-"+id, schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: id}))
		}
		stacktest.Send(t, s, orders...)
		time.Sleep(30 * time.Minute)
		if err := stacktest.Settle(t.Context(), s.Client(), time.Minute); err != nil {
			t.Error(err)
		}
		for _, m := range orders {
			if out, ok := s.LastOutcome(m.ID); !ok || out.Error != "" || out.Attempt < 5 {
				t.Errorf("message %s: got %+v, want it done at attempt 5 or later", m.ID, out)
			}
		}
		if deadLetters, err := s.Client().DeadLetters(t.Context()); err != nil || len(deadLetters) > 0 {
			t.Errorf("dead letters: got %+v, %v, want none", deadLetters, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
