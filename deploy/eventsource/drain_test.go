package eventsource

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueDrainIsBoundedWhenTheQueueDoesNotAnswer(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	tests := []struct {
		name   string
		answer func(ctx context.Context, ids []string) (string, error)
		window time.Duration
	}{
		{"deletes", nil, time.Second},
		{"deletes that begin while it drains", func(context.Context, []string) (string, error) {
			time.Sleep(time.Second)
			return failures(), nil
		}, time.Second},
		{"deletes that begin after the cut", func(ctx context.Context, _ []string) (string, error) {
			<-ctx.Done()
			return failures(), nil
		}, time.Second},
		{"messages given back after the cut", func(ctx context.Context, _ []string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}, time.Second},
		{"messages that were gathered and not started", nil, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Hour)
				ids := q.send(slices.Repeat([]string{"x"}, 25)...) // three calls
				q.deaf = true
				m := queueMapping(q, newRecorder(tt.answer))
				m.BatchSize, m.Window, m.DrainLimit = 100, tt.window, limit
				run := startMapping(t, m.Run)
				time.Sleep(1500 * time.Millisecond)
				began := time.Now()
				err := run.stop()
				if took := time.Since(began); took > limit+settleBound {
					t.Errorf("drained in %v, want at most %v", took, limit+settleBound)
				}
				left, ok := errors.AsType[*LeftError](err)
				if !ok || !slices.Equal(slices.Sorted(slices.Values(left.IDs)), ids) || left.After != limit { // receives at once have no order
					t.Errorf("got %v, want a *LeftError with all 25", err)
				}
			})
		})
	}
}

func TestQueueDrainTriesOnceAfterTheCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		q.send("1", "2")
		q.failBatch = func() error { return errors.New("connection refused") }
		r := newRecorder(func(ctx context.Context, _ []string) (string, error) { <-ctx.Done(); return failures("b"), nil })
		m := queueMapping(q, r)
		m.DrainLimit = 2 * time.Second
		run := startMapping(t, m.Run)
		synctest.Wait()
		began := time.Now()
		err := run.stop()
		if took := time.Since(began); took != 2*time.Second || len(q.deletes) != 1 {
			t.Errorf("%d deletes, drained in %v; want one try at the limit", len(q.deletes), took)
		}
		if left, ok := errors.AsType[*LeftError](err); !ok || !slices.Equal(left.IDs, []string{"a"}) {
			t.Errorf("got %v, want a *LeftError with a: b was not done", err)
		}
	})
}

func TestQueueDrainGoesOnTryingUntilTheCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, filter string
		works        int // the try that does; 0 is none
		tries        int
		left         string
	}{
		{"what a later try deletes is not left behind", "", 3, 3, ""},
		{"nor what a filter drops", `{"body":["other"]}`, 3, 3, ""},
		{"what all tries failed for is", "", 0, settleTries, "a"},
		{"also when a filter drops it", `{"body":["other"]}`, 0, settleTries, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Hour)
				q.send("1")
				q.failBatch = func() error {
					if len(q.deletes) != tt.works {
						return errors.New("connection refused")
					}
					return nil
				}
				m := queueMapping(q, newRecorder(nil))
				if tt.filter != "" {
					m.Filters = []string{tt.filter}
				}
				run := startMapping(t, m.Run)
				synctest.Wait()
				err := run.stop() // a second of trying is well before the cut
				ids := ""
				if left, ok := errors.AsType[*LeftError](err); ok {
					ids = strings.Join(left.IDs, "")
				}
				if len(q.deletes) != tt.tries || ids != tt.left || q.ids() != tt.left {
					t.Errorf("%d deletes, %v, left %q; want %d and %q", len(q.deletes), err, q.ids(), tt.tries, tt.left)
				}
			})
		})
	}
}

func TestQueueDrainLimitStartsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Of two pollers one hangs in the filter's delete, and one message is in work.
		q := newFakeSQS(t, time.Hour)
		q.deaf = true
		q.send(`{"type":"other"}`)
		r := newRecorder(func(ctx context.Context, _ []string) (string, error) { <-ctx.Done(); return "", errors.New("cut") })
		m := queueMapping(q, r)
		m.MaxConcurrency, m.DrainLimit, m.Filters = 2, 2*time.Second, []string{`{"body":{"type":["order"]}}`}
		run := startMapping(t, m.Run)
		synctest.Wait()
		q.send(`{"type":"order"}`)
		synctest.Wait()
		began := time.Now()
		err := run.stop()
		if took := time.Since(began); took > 2*time.Second+settleBound {
			t.Errorf("drained in %v, want the poller's delete within the same limit", took)
		}
		if left, ok := errors.AsType[*LeftError](err); !ok || !slices.Equal(left.IDs, []string{"a"}) {
			t.Errorf("got %v, want a *LeftError with a", err)
		}
	})
}

func TestFeedDrainIsBoundedWhenCheckpointsDoNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, c := feedMapping(t, newRecorder(func(context.Context, []string) (string, error) {
			time.Sleep(time.Second)
			return failures(), nil
		}))
		c.deaf = true
		m.DrainLimit = 2 * time.Second
		f.add("s", "k", "k")
		run := startMapping(t, m.Run)
		synctest.Wait()
		began := time.Now()
		err := run.stop()
		if took := time.Since(began); took > 2*time.Second+settleBound {
			t.Errorf("drained in %v, want at most %v", took, 2*time.Second+settleBound)
		}
		if err == nil || !strings.Contains(err.Error(), `checkpoint "b" of shard "s" is not saved`) {
			t.Errorf("got %v, want the checkpoint named", err)
		}
	})
}

func TestQueueDrainLetsAnOpenPollFinish(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		window time.Duration
		before int // messages that wait in the window
	}{
		{"the first poll of a batch", 0, 0},
		{"a later poll in the window", 30 * time.Second, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Hour)
				r := newRecorder(nil)
				m := queueMapping(q, r)
				m.CancelPolls, m.Window, m.DrainLimit = false, tt.window, 8*time.Second
				q.send(slices.Repeat([]string{"x"}, tt.before)...)
				run := startMapping(t, m.Run)
				time.Sleep(5 * time.Second)
				began := time.Now()
				run.cancel()
				time.Sleep(2 * time.Second)
				id := q.send("late")[0]
				if err := <-run.done; err != nil {
					t.Error(err)
				}
				if ids := q.ids(); !strings.HasSuffix(ids, id) || len(ids) != tt.before+1 || r.count() != 0 || q.cut != 0 {
					t.Errorf("left %q, %d events, %d polls cut; want what the open poll brought given back unseen", ids, r.count(), q.cut)
				}
				for _, m := range q.messages {
					if m.received != 1 || m.visibleAt.After(time.Now()) {
						t.Errorf("%s was received %d times and is visible at %v, want once and given back", m.id, m.received, m.visibleAt)
					}
				}
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("drained in %v, want within the limit: no poll is longer", took)
				}
				for _, w := range q.waits {
					if w > 8 {
						t.Errorf("a poll of %d s, want at most the drain limit", w)
					}
				}
			})
		})
	}
}

func TestQueueDrainCutsAPollThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		m := queueMapping(q, newRecorder(nil))
		m.CancelPolls, m.DrainLimit = false, 500*time.Millisecond // a poll waits a second or more
		run := startMapping(t, m.Run)
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		run.stopClean()
		if took := time.Since(began); took != 500*time.Millisecond || q.cut != maxPollers {
			t.Errorf("drained in %v, %d polls cut; want the limit", took, q.cut)
		}
	})
}

func TestQueueDrainCancelsPollsWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		run := startMapping(t, queueMapping(q, newRecorder(nil)).Run)
		synctest.Wait()
		began := time.Now()
		run.stopClean()
		if took := time.Since(began); took != 0 || q.cut != maxPollers {
			t.Errorf("drained in %v, %d polls cut; want at once", took, q.cut)
		}
		for _, w := range q.waits {
			if w != 20 {
				t.Errorf("a poll of %d s, want 20", w)
			}
		}
	})
}
