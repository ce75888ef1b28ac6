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

func TestQueueDrainIsBoundedWhenTheQueueDoesNotRespond(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	tests := []struct {
		name    string
		respond func(ctx context.Context, ids []string) (string, error)
	}{
		{"deletes", nil},
		{"deletes that begin during the drain", func(context.Context, []string) (string, error) {
			time.Sleep(2 * time.Second)
			return failures(), nil
		}},
		{"deletes that begin after the drain limit", func(ctx context.Context, _ []string) (string, error) {
			<-ctx.Done()
			return failures(), nil
		}},
		{"messages that become visible after the drain limit", func(ctx context.Context, _ []string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Hour)
				ids := q.send(slices.Repeat([]string{"x"}, 25)...)
				q.hangs = true
				m := queueMapping(q, newRecorder(tt.respond))
				m.DrainLimit = limit
				run := startMapping(t, m.Run)
				time.Sleep(1500 * time.Millisecond)
				began := time.Now()
				err := run.stop()
				if took := time.Since(began); took > limit+settleBound {
					t.Errorf("drained in %v, want at most %v", took, limit+settleBound)
				}
				left, ok := errors.AsType[*LeftError](err)
				if !ok || !slices.Equal(slices.Sorted(slices.Values(left.IDs)), ids) || left.After != limit {
					t.Errorf("got %v, want a *LeftError with all 25", err)
				}
			})
		})
	}
}

// TestQueueDrainOfNotStartedMessages has messages that open polls receive
// during the drain: more than fit into one call.
func TestQueueDrainOfNotStartedMessages(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 8 * time.Second
			q := newFakeSQS(t, time.Hour)
			q.hangs = hangs
			r := newRecorder(nil)
			m := queueMapping(q, r)
			m.CancelPolls, m.DrainLimit = false, limit
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.cancel()
			time.Sleep(time.Second)
			ids := q.sendAll(slices.Repeat([]string{"x"}, 25)...)
			err := <-run.done
			left, ok := errors.AsType[*LeftError](err)
			switch {
			case r.count() != 0:
				t.Errorf("got events %q, want none during the drain", r.ids())
			case hangs && (!ok || !slices.Equal(slices.Sorted(slices.Values(left.IDs)), ids)):
				t.Errorf("got %v, want a *LeftError with all 25", err)
			case hangs && time.Since(began) > limit+settleBound:
				t.Errorf("drained in %v, want at most %v", time.Since(began), limit+settleBound)
			case !hangs && err != nil:
				t.Errorf("got %v, want no error", err)
			}
			for _, m := range q.messages {
				if m.received != 1 || m.visibleAt.After(time.Now()) != hangs {
					t.Errorf("%s was received %d times and is visible at %v", m.id, m.received, m.visibleAt)
				}
			}
		})
	}
}

func TestQueueDrainTriesOnceAfterTheDrainLimit(t *testing.T) {
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
			t.Errorf("got %d deletes, drained in %v; want one at the limit", len(q.deletes), took)
		}
		if left, ok := errors.AsType[*LeftError](err); !ok || !slices.Equal(left.IDs, []string{"a"}) {
			t.Errorf("got %v, want a *LeftError with a: b failed", err)
		}
	})
}

func TestQueueDrainRetriesDeletesUntilTheDrainLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		succeeds int // the try that succeeds; 0 means none
		tries    int
		left     string
	}{
		{"a later try succeeds", 3, 3, ""},
		{"all tries fail", 0, settleTries, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Hour)
				q.send("1")
				q.failBatch = func() error {
					if len(q.deletes) != tt.succeeds {
						return errors.New("connection refused")
					}
					return nil
				}
				run := startMapping(t, queueMapping(q, newRecorder(nil)).Run)
				synctest.Wait()
				err := run.stop() // the tries end well before the drain limit
				ids := ""
				if left, ok := errors.AsType[*LeftError](err); ok {
					ids = strings.Join(left.IDs, "")
				}
				if len(q.deletes) != tt.tries || ids != tt.left || q.ids() != tt.left {
					t.Errorf("got %d deletes, the error %v and %q left, want %d and %q", len(q.deletes), err, q.ids(), tt.tries, tt.left)
				}
			})
		})
	}
}

func TestQueueDrainLimitStartsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// One invocation is running, and the delete of another message hangs.
		q := newFakeSQS(t, time.Hour)
		q.hangs = true
		q.send("1")
		r := newRecorder(func(ctx context.Context, ids []string) (string, error) {
			if ids[0] == "b" {
				<-ctx.Done()
				return "", errors.New("canceled")
			}
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.MaxConcurrency, m.DrainLimit, m.Timeout = 2, 2*time.Second, time.Minute
		run := startMapping(t, m.Run)
		synctest.Wait()
		q.send("2")
		synctest.Wait()
		began := time.Now()
		err := run.stop()
		if took := time.Since(began); took > 2*time.Second+settleBound {
			t.Errorf("drained in %v, want the delete within the same limit", took)
		}
		if left, ok := errors.AsType[*LeftError](err); !ok || !slices.Equal(left.IDs, []string{"a"}) {
			t.Errorf("got %v, want a *LeftError with a", err)
		}
	})
}

func TestFeedDrainIsBoundedWhenCheckpointsDoNotRespond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, c := feedMapping(t, newRecorder(func(context.Context, []string) (string, error) {
			time.Sleep(time.Second)
			return failures(), nil
		}))
		c.hangs = true
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
			t.Errorf("got %v, want an error that names the checkpoint", err)
		}
	})
}

func TestQueueDrainLetsAnOpenPollFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		r := newRecorder(nil)
		m := queueMapping(q, r)
		m.CancelPolls, m.DrainLimit = false, 8*time.Second
		run := startMapping(t, m.Run)
		time.Sleep(5 * time.Second)
		began := time.Now()
		run.cancel()
		time.Sleep(2 * time.Second)
		q.send("late")
		if err := <-run.done; err != nil {
			t.Error(err)
		}
		if a := q.find("a"); r.count() != 0 || q.canceled != 0 || a.received != 1 || a.visibleAt.After(time.Now()) {
			t.Errorf("got %d events, %d canceled polls, a received %d times and visible at %v; want it received and made visible without an event",
				r.count(), q.canceled, a.received, a.visibleAt)
		}
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("drained in %v, want at most the drain limit", took)
		}
		for _, w := range q.waits {
			if w > 8 {
				t.Errorf("poll of %d s, want at most the drain limit", w)
			}
		}
	})
}

func TestQueueDrainCancelsAPollAtTheDrainLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		m := queueMapping(q, newRecorder(nil))
		m.CancelPolls, m.DrainLimit = false, 500*time.Millisecond // a poll waits a second or more
		run := startMapping(t, m.Run)
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		run.stopClean()
		if took := time.Since(began); took != 500*time.Millisecond || q.canceled != maxPollers {
			t.Errorf("drained in %v with %d canceled polls, want the drain limit and all", took, q.canceled)
		}
	})
}

func TestQueueDrainCancelsPollsWithCancelPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		run := startMapping(t, queueMapping(q, newRecorder(nil)).Run)
		synctest.Wait()
		began := time.Now()
		run.stopClean()
		if took := time.Since(began); took != 0 || q.canceled != maxPollers {
			t.Errorf("drained in %v with %d canceled polls, want 0s and all", took, q.canceled)
		}
		for _, w := range q.waits {
			if w != 20 {
				t.Errorf("poll of %d s, want 20", w)
			}
		}
	})
}
