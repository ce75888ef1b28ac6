package messages

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/workers/schema"
)

var order7 = schema.OrderKey("ada@example.com", "7")

func ordering(id string) message {
	return message{ID: id, Type: schema.TypeOrderProcessing, Data: schema.OrderProcessing{
		Email: "ada@example.com", ID: "7",
		OrderDetails: schema.OrderDetails{Items: []schema.OrderItem{{SKU: "pen", Quantity: 2}}, Amount: 350, Currency: "EUR"},
	}}
}

// steps is a Step that records the orders it ran for.
type steps struct {
	mu   sync.Mutex
	seen []schema.Order
	do   func(run int) error // run counts from 1; nil: nothing to do
}

func (s *steps) step(_ context.Context, o schema.Order) error {
	s.mu.Lock()
	s.seen = append(s.seen, o)
	run, do := len(s.seen), s.do
	s.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(run)
}

func (s *steps) runs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func newOrders(t *testing.T, do func(run int) error) (*fixture, *steps) {
	t.Helper()
	s := &steps{do: do}
	return newFixture(t, func(_ *Config, c *Clients) { c.Step = s.step }), s
}

func (s *steps) want(t *testing.T, runs int) {
	t.Helper()
	if got := s.runs(); got != runs {
		t.Errorf("step: got %d runs, want %d", got, runs)
	}
}

func TestOrderGoesThroughItsSteps(t *testing.T) {
	t.Parallel()
	f, s := newOrders(t, nil)
	f.done(t, ordering("m1"))
	if want := []string{"received", "processing", "completed"}; !slices.Equal(f.records.statuses, want) {
		t.Errorf("written: got %q, want %q", f.records.statuses, want)
	}
	f.want(t, order7, map[string]any{"status": "completed", "cause": "m1", "email": "ada@example.com", "id": "7", "amount": 350, "currency": "EUR", "reason": nil})
	s.want(t, 1)
	if o := s.seen[0]; o.Status != "processing" || o.Cause != "m1" || o.Email != "ada@example.com" || o.ID != "7" || len(o.Items) != 1 {
		t.Errorf("step: got order %+v", o)
	}
	f.done(t, ordering("m1"), ordering("m2"))
	s.want(t, 1)
	if len(f.records.statuses) != 3 {
		t.Errorf("written: got %q, want no further write by later messages", f.records.statuses)
	}
}

func TestOrderKeepsDetailsOfRecord(t *testing.T) {
	t.Parallel()
	f, s := newOrders(t, nil)
	f.put(t, order7, `{"status":"received","items":[{"sku":"book","quantity":1,"price":12.5}],"amount":1250,"note":"a gift"}`)
	f.done(t, ordering("m1")) // with other details
	f.want(t, order7, map[string]any{
		"status": "completed", "email": "ada@example.com", "id": "7", "amount": 1250, "currency": nil, "note": "a gift",
		"items": []any{map[string]any{"sku": "book", "quantity": 1, "price": 12.5}},
	})
	if s.runs() != 1 || s.seen[0].Items[0].SKU != "book" {
		t.Errorf("step: got order %+v, want the record's details", s.seen)
	}
}

func TestOrderWithoutDetailsTakesDetailsOfMessage(t *testing.T) {
	t.Parallel()
	f, s := newOrders(t, nil)
	f.put(t, order7, `{"status":"received"}`)
	f.done(t, ordering("m1"))
	f.want(t, order7, map[string]any{"status": "completed", "amount": 350})
	if s.runs() != 1 || s.seen[0].Amount != 350 {
		t.Errorf("step: got order %+v", s.seen)
	}
}

func TestFailedOrderStepIsRetried(t *testing.T) {
	t.Parallel()
	f, s := newOrders(t, func(run int) error {
		if run < 3 {
			return errAgain
		}
		return nil
	})
	for range 2 {
		if back := f.deliver(t, ordering("m1")); !slices.Equal(back, []string{"m1"}) {
			t.Errorf("failed messages: got %q, want m1", back)
		}
		f.want(t, order7, map[string]any{"status": "processing"})
	}
	f.done(t, ordering("m1"))
	s.want(t, 3)
	f.want(t, order7, map[string]any{"status": "completed"})
}

func TestPermanentErrorOfStepFailsOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ says, reason string }{
		{"out of stock", "out of stock"}, {"", "the step returned no reason"},
	} {
		f, s := newOrders(t, func(int) error { return pipeline.Permanentf("%s", c.says) })
		f.done(t, ordering("m1")) // the message is done, though the order failed
		f.want(t, order7, map[string]any{"status": "failed", "reason": c.reason})
		f.done(t, ordering("m1"))
		s.want(t, 1)
	}
}

func TestOrderStepDelaysItsRetry(t *testing.T) {
	t.Parallel()
	f, _ := newOrders(t, func(run int) error {
		if run == 1 {
			return pipeline.RetryAfter(errAgain, 7*time.Minute)
		}
		return nil
	})
	if back := f.deliver(t, ordering("m1")); len(back) != 1 {
		t.Errorf("failed messages: got %q, want m1", back)
	}
	if d := f.queues.delay("m1"); d < 7*time.Minute || d > 9*time.Minute {
		t.Errorf("delayed for %v, want 7m plus up to a quarter", d)
	}
	f.done(t, ordering("m1"))
	f.want(t, order7, map[string]any{"status": "completed"})
}

// TestOrderResumesAfterCrash stops the process before and after each write of a
// record and of a claim. The redelivered message completes the order, and the
// step runs a second time only where its claim was not completed.
func TestOrderResumesAfterCrash(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		state bool // the write is one of a claim
		write string
		runs  int
	}{
		{"receiving", false, "received", 1},
		{"beginning", false, "processing", 1},
		{"claiming", true, "in-progress", 1},
		{"completing the order", false, "completed", 1},
	} {
		for _, written := range []bool{false, true} {
			t.Run(c.name+map[bool]string{false: ", before the write", true: ", after the write"}[written], func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f, s := newOrders(t, nil)
					at := f.records
					if c.state {
						at = f.state
					}
					at.onPut = func(status string, done bool) error {
						if status == c.write && done == written {
							panic("the process dies")
						}
						return nil
					}
					if back := f.deliver(t, ordering("m1")); len(back) != 1 {
						t.Fatalf("failed messages: got %q, want m1", back)
					}
					at.onPut = nil
					time.Sleep(5 * time.Minute) // an orphaned claim expires
					f.done(t, ordering("m1"))
					s.want(t, c.runs)
					f.want(t, order7, map[string]any{"status": "completed", "cause": "m1"})
				})
			})
		}
	}
}

// TestOrderStepIsRepeatedIfItsClaimWasNotCompleted crashes the process during the
// step. The worker cannot tell whether the step completed, so it runs the step
// again once the claim expires.
func TestOrderStepIsRepeatedIfItsClaimWasNotCompleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := newOrders(t, nil)
		f.state.onPut = func(status string, _ bool) error {
			if status == "completed" {
				panic("the process dies")
			}
			return nil
		}
		if back := f.deliver(t, ordering("m1")); len(back) != 1 {
			t.Fatalf("failed messages: got %q, want m1", back)
		}
		f.state.onPut = nil
		if back := f.deliver(t, ordering("m1")); len(back) != 1 {
			t.Errorf("while the claim is held: got failed messages %q, want m1", back)
		}
		s.want(t, 1)
		time.Sleep(f.queues.delay("m1"))
		f.done(t, ordering("m1"))
		s.want(t, 2)
		if s.seen[0].Cause != s.seen[1].Cause {
			t.Errorf("causes: got %q and %q, want equal ones: the endpoint identifies the order by it", s.seen[0].Cause, s.seen[1].Cause)
		}
	})
}

func TestConcurrentDeliveriesRunOrderStepOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inHand, goOn := make(chan struct{}), make(chan struct{})
		f, s := newOrders(t, func(int) error {
			close(inHand)
			<-goOn
			return nil
		})
		first := make(chan []string)
		go func() {
			back, _ := f.invoke(t.Context(), ordering("m1"))
			first <- back
		}()
		<-inHand
		// The same message, delivered twice, and another one for the same order.
		if back := f.deliver(t, ordering("m1"), ordering("m2")); !slices.Equal(back, []string{"m1", "m2"}) {
			t.Errorf("other deliveries: got failed messages %q, want both", back)
		}
		close(goOn)
		if back := <-first; len(back) > 0 {
			t.Errorf("first delivery: got failed messages %q, want none", back)
		}
		f.done(t, ordering("m1"), ordering("m2"))
		s.want(t, 1)
		f.want(t, order7, map[string]any{"status": "completed", "cause": "m1"})
	})
}

func TestOrderCancelledStaysCancelled(t *testing.T) {
	t.Parallel()
	cancelled := map[string]any{"status": "cancelled"}
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		f, s := newOrders(t, nil)
		f.put(t, order7, `{"status":"cancelled"}`)
		f.done(t, ordering("m1"))
		f.want(t, order7, cancelled)
		s.want(t, 0)
	})
	for _, outcome := range []error{nil, pipeline.Permanent(errAgain), errAgain} {
		t.Run("during its step", func(t *testing.T) {
			t.Parallel()
			var f *fixture
			var s *steps
			f, s = newOrders(t, func(int) error {
				f.set(t, order7, cancelled)
				return outcome
			})
			f.deliver(t, ordering("m1"))
			f.done(t, ordering("m1"))
			f.want(t, order7, map[string]any{"status": "cancelled", "reason": nil})
			s.want(t, 1)
		})
	}
	t.Run("between the read and the write", func(t *testing.T) {
		t.Parallel()
		f, s := newOrders(t, nil)
		f.put(t, order7, `{"status":"received"}`)
		f.records.onPut = func(status string, done bool) error {
			if status == "processing" && !done {
				f.set(t, order7, cancelled)
			}
			return nil
		}
		f.done(t, ordering("m1"))
		f.want(t, order7, cancelled)
		s.want(t, 0)
	})
}

func TestOrderReceivedAgainRunsItsStepAnew(t *testing.T) {
	t.Parallel()
	again := map[string]any{"status": "received"}
	t.Run("after it failed", func(t *testing.T) {
		t.Parallel()
		f, s := newOrders(t, func(run int) error {
			if run == 1 {
				return pipeline.Permanentf("out of stock")
			}
			return nil
		})
		f.done(t, ordering("m1"))
		f.set(t, order7, again)
		f.done(t, ordering("m2"))
		f.want(t, order7, map[string]any{"status": "completed", "cause": "m2", "reason": nil})
		s.want(t, 2)
	})
	t.Run("with a late copy of the first message", func(t *testing.T) {
		t.Parallel()
		f, s := newOrders(t, nil)
		f.done(t, ordering("m1"))
		f.set(t, order7, again)
		f.done(t, ordering("m1"))
		f.want(t, order7, again) // m1's step is done: this order waits for its own message
		f.done(t, ordering("m2"))
		f.want(t, order7, map[string]any{"status": "completed", "cause": "m2"})
		s.want(t, 2)
	})
	t.Run("during its step", func(t *testing.T) {
		t.Parallel()
		var f *fixture
		var s *steps
		f, s = newOrders(t, func(run int) error {
			if run > 1 {
				return nil
			}
			// While the first step runs, the order is received again and begun
			// by another message, whose step is not done yet.
			f.set(t, order7, map[string]any{"status": "processing", "cause": "m2"})
			return pipeline.Permanentf("the first step's own trouble")
		})
		f.done(t, ordering("m1"))
		f.want(t, order7, map[string]any{"status": "processing", "cause": "m2", "reason": nil})
		f.done(t, ordering("m2"))
		f.want(t, order7, map[string]any{"status": "completed", "cause": "m2"})
		s.want(t, 2)
	})
}

func TestStepClaimTellsOrdersApart(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, parts := range [][3]string{{"a@b", "1", "x#c"}, {"a@b", "1#x", "c"}, {"a@b/1", "x", "c"}, {"a@b", "1/x", "c"}, {"a@b", "", "1c"}} {
		seen[stepClaim(parts[0], parts[1], parts[2])] = true
	}
	if len(seen) != 5 {
		t.Errorf("got %d claims of 5 orders", len(seen))
	}
}

// TestOrderOfDeadLetterStaysProcessing covers an order until a redrive completes
// it or another status is written.
func TestOrderOfDeadLetterStaysProcessing(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]struct {
		end  string
		runs int
	}{"": {"completed", 2}, "failed": {"failed", 1}, "cancelled": {"cancelled", 1}} {
		t.Run("then "+cmp.Or(status, "redriven"), func(t *testing.T) {
			t.Parallel()
			f, s := newOrders(t, func(run int) error {
				if run == 1 {
					return errAgain
				}
				return nil
			})
			last := ordering("m1")
			last.Attempt = f.config.MaxAttempts
			if back := f.deliver(t, last); len(back) > 0 {
				t.Errorf("failed messages: got %q, want none and a dead letter", back)
			}
			f.wantDeadLetter(t, "m1", errAgain.Error())
			f.want(t, order7, map[string]any{"status": "processing"})
			if status != "" {
				f.set(t, order7, map[string]any{"status": status})
			}
			f.done(t, ordering("m1"))
			f.want(t, order7, map[string]any{"status": want.end})
			s.want(t, want.runs)
		})
	}
}
