package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/workers/schema"
)

// TestOutageLeavesNoLetters: what a job depends on is away for ten minutes, and
// everything that came meanwhile is done afterwards. The batches fail whole, and
// the waits that the worker asked for hold all the same.
func TestOutageLeavesNoLetters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // removed outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(10 * time.Minute)
		h := testHome(t, func(o *homeOptions) {
			o.Dir = dir
			o.OrderStep = func(context.Context, schema.Order) error {
				if time.Now().Before(back) {
					return errors.New("the warehouse does not answer")
				}
				return nil
			}
		})
		var orders []pipeline.Message
		for i := range 25 {
			id := fmt.Sprint(i)
			orders = append(orders, message(t, "m-"+id, schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: id}))
		}
		sendAll(t, h, orders...)
		time.Sleep(30 * time.Minute)
		if err := h.remote().settle(t.Context(), time.Minute); err != nil {
			t.Error(err)
		}
		for _, m := range orders {
			if out, ok, _ := h.outcome.get(m.ID); !ok || out.Error != "" || out.Attempt < 5 {
				t.Errorf("message %s: got %+v, want it done at attempt 5 or later: each waits as the worker said", m.ID, out)
			}
		}
		if letters, err := h.remote().letters(t.Context()); err != nil || len(letters) > 0 {
			t.Errorf("letters: got %+v, %v, want none", letters, err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}
