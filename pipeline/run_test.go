package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
)

var errAgain = errors.New("again")

// batchOf returns records with ids "0", "1", ... in the given groups.
func batchOf(groups ...string) []pipeline.Record {
	records := make([]pipeline.Record, len(groups))
	for i, g := range groups {
		records[i] = pipeline.Record{ID: fmt.Sprint(i), Cause: "cause-" + fmt.Sprint(i), Group: g, Attempt: 1}
	}
	return records
}

func statuses(r pipeline.Result) string {
	var out []string
	for _, o := range r.Outcomes {
		out = append(out, o.Record.ID+" "+o.Status.String())
	}
	return strings.Join(out, ", ")
}

// journal records the ids that a handler received, in order.
type journal struct {
	mu  sync.Mutex
	ids []string
}

func (j *journal) add(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ids = append(j.ids, id)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.ids, " ")
}

// failing returns a handler that fails the records with the given ids.
func failing(j *journal, ids ...string) pipeline.Handler {
	return func(_ context.Context, r pipeline.Record) error {
		j.add(r.ID)
		if slices.Contains(ids, r.ID) {
			return errAgain
		}
		return nil
	}
}

func TestRunKeepsTheOrderOfItsSource(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		order    pipeline.Order
		parallel int
		groups   []string
		fail     []string
		want     string
		received string // in order; "" means any order
	}{
		{
			name: "unordered records are independent", order: pipeline.Unordered, parallel: 1,
			groups: []string{"a", "a", "a"}, fail: []string{"1"},
			want: "0 done, 1 failed, 2 done", received: "0 1 2",
		},
		{
			name: "a failure stops its group and no other", order: pipeline.Grouped, parallel: 1,
			groups: []string{"a", "b", "a", "b", "a"}, fail: []string{"2"},
			want: "0 done, 1 done, 2 failed, 3 done, 4 blocked", received: "0 2 1 3",
		},
		{
			name: "records without a group do not wait for each other", order: pipeline.Grouped, parallel: 1,
			groups: []string{"", "", ""}, fail: []string{"0"},
			want: "0 failed, 1 done, 2 done", received: "0 1 2",
		},
		{
			name: "a failure stops the stream", order: pipeline.Stream,
			groups: []string{"a", "b", "c"}, fail: []string{"1"},
			want: "0 done, 1 failed, 2 blocked", received: "0 1",
		},
		{
			name: "a stream by key keeps the order of a key", order: pipeline.Stream, parallel: 4,
			groups: []string{"a", "a", "a"}, fail: []string{"1"},
			want: "0 done, 1 failed, 2 blocked", received: "0 1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			got := pipeline.Run(t.Context(), batchOf(tt.groups...), failing(&j, tt.fail...),
				pipeline.Options{Order: tt.order, Parallel: tt.parallel})
			if s := statuses(got); s != tt.want {
				t.Errorf("outcomes: got %s, want %s", s, tt.want)
			}
			if tt.received != "" && j.String() != tt.received {
				t.Errorf("handled: got %s, want %s", j.String(), tt.received)
			}
		})
	}
}

func TestRunStartsNoStreamRecordAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Key a: 0, 3. Key b: 1, 4. Record 1 fails while 0 is running: 3 and 4 are
		// after it and do not start, 0 is before it and finishes.
		var j journal
		failed := make(chan struct{})
		got := pipeline.Run(t.Context(), batchOf("a", "b", "c", "a", "b"), func(_ context.Context, r pipeline.Record) error {
			j.add(r.ID)
			switch r.ID {
			case "0":
				<-failed
				time.Sleep(time.Second)
			case "1":
				close(failed)
				return errAgain
			}
			return nil
		}, pipeline.Options{Order: pipeline.Stream, Parallel: 2})
		want := "0 done, 1 failed, 2 blocked, 3 blocked, 4 blocked"
		if s := statuses(got); s != want {
			t.Errorf("outcomes: got %s, want %s", s, want)
		}
	})
}

func TestRunParallelIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		pipeline.Run(t.Context(), batchOf(make([]string, 20)...), func(context.Context, pipeline.Record) error {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(time.Second)
			return nil
		}, pipeline.Options{Parallel: 3})
		if most.Load() != 3 {
			t.Errorf("concurrent records: got %d, want 3", most.Load())
		}
	})
}

func TestRunKeepsTheReserveForTheResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var ended error
		begun := time.Now()
		got := pipeline.Run(ctx, batchOf("", "", ""), func(ctx context.Context, r pipeline.Record) error {
			if r.ID == "0" {
				time.Sleep(7 * time.Second) // nothing starts from 8 s on
				return nil
			}
			<-ctx.Done()
			ended = ctx.Err()
			return ended
		}, pipeline.Options{Parallel: 1, Reserve: 2 * time.Second})
		if s, want := statuses(got), "0 done, 1 failed, 2 not started"; s != want {
			t.Errorf("outcomes: got %s, want %s", s, want)
		}
		if took := time.Since(begun); took != 9*time.Second {
			t.Errorf("handlers' context ended after %v, want half the reserve before the deadline: 9s", took)
		}
		if !errors.Is(got.Outcomes[2].Err, pipeline.ErrNotStarted) {
			t.Errorf("record not started: got error %v, want ErrNotStarted", got.Outcomes[2].Err)
		}
	})
}

func TestRunReturnsWithoutLostHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		release := make(chan struct{})
		got := pipeline.Run(ctx, batchOf("", ""), func(_ context.Context, r pipeline.Record) error {
			if r.ID == "0" {
				<-release // ignores its context
			}
			return nil
		}, pipeline.Options{Reserve: 2 * time.Second})
		if took := time.Since(begun); took != 9500*time.Millisecond {
			t.Errorf("returned after %v, want a quarter of the reserve before the deadline: 9.5s", took)
		}
		before := statuses(got)
		close(release)
		synctest.Wait()
		if s, want := statuses(got), "0 failed, 1 done"; s != want || s != before {
			t.Errorf("outcomes: got %s, then %s, want %s both times", before, s, want)
		}
		if !errors.Is(got.Outcomes[0].Err, pipeline.ErrLost) {
			t.Errorf("lost record: got error %v, want ErrLost", got.Outcomes[0].Err)
		}
	})
}

func TestRunFailsAHandlerThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	got := pipeline.Run(t.Context(), batchOf("", "", ""), func(_ context.Context, r pipeline.Record) error {
		if r.ID == "1" {
			runtime.Goexit()
		}
		return nil
	}, pipeline.Options{Parallel: 1})
	if s, want := statuses(got), "0 done, 1 failed, 2 not started"; s != want {
		t.Errorf("outcomes: got %s, want %s: a lost record is failed", s, want)
	}
}

func explode() { panic("boom") }

func TestRunPanicKeepsValueAndStack(t *testing.T) {
	t.Parallel()
	got := pipeline.Run(t.Context(), batchOf("", ""), func(_ context.Context, r pipeline.Record) error {
		if r.ID == "0" {
			explode()
		}
		return nil
	}, pipeline.Options{})
	if s, want := statuses(got), "0 failed, 1 done"; s != want {
		t.Fatalf("outcomes: got %s, want %s", s, want)
	}
	p, ok := errors.AsType[*pipeline.PanicError](got.Outcomes[0].Err)
	if !ok || p.Value != "boom" || !strings.Contains(string(p.Stack), "explode") {
		t.Errorf("error: got %#v, want a *PanicError with value boom and the stack of explode", got.Outcomes[0].Err)
	}
}

// deadLetterStore stores dead letters while their context is valid, or rejects them.
type deadLetterStore struct {
	mu     sync.Mutex
	stored []pipeline.DeadLetter
	err    error
}

func (b *deadLetterStore) take(ctx context.Context, l pipeline.DeadLetter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.err == nil {
		b.stored = append(b.stored, l)
	}
	return b.err
}

func TestRunWritesDeadLetters(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		err     error // of the handler
		record  pipeline.Record
		box     *deadLetterStore
		max     int
		want    pipeline.Status
		letters int
	}{
		{"permanent", pipeline.Permanent(errAgain), pipeline.Record{Attempt: 1}, &deadLetterStore{}, 3, pipeline.DeadLettered, 1},
		{"permanent, wrapped", fmt.Errorf("job: %w", pipeline.Permanent(errAgain)), pipeline.Record{Attempt: 1}, &deadLetterStore{}, 3, pipeline.DeadLettered, 1},
		{"permanent without dead letters", pipeline.Permanent(errAgain), pipeline.Record{Attempt: 1}, nil, 3, pipeline.Failed, 0},
		{"permanent, dead letter rejected", pipeline.Permanent(errAgain), pipeline.Record{Attempt: 1}, &deadLetterStore{err: errAgain}, 3, pipeline.Failed, 0},
		{"before the last attempt", errAgain, pipeline.Record{Attempt: 2}, &deadLetterStore{}, 3, pipeline.Failed, 0},
		{"the last attempt", errAgain, pipeline.Record{Attempt: 3}, &deadLetterStore{}, 3, pipeline.DeadLettered, 1},
		{"past the last attempt", errAgain, pipeline.Record{Attempt: 4}, &deadLetterStore{}, 3, pipeline.DeadLettered, 1},
		{"past the last attempt, but done", nil, pipeline.Record{Attempt: 4}, &deadLetterStore{}, 3, pipeline.Done, 0},
		{"attempts not known", errAgain, pipeline.Record{}, &deadLetterStore{}, 3, pipeline.Failed, 0},
		{"no limit", errAgain, pipeline.Record{Attempt: 99}, &deadLetterStore{}, 0, pipeline.Failed, 0},
		{"RetryAfter at the last attempt", fmt.Errorf("job: %w", pipeline.RetryAfter(errAgain, time.Second)), pipeline.Record{Attempt: 9}, &deadLetterStore{}, 3, pipeline.Failed, 0},
		{"in progress by another owner", pipeline.RetryAfter(&pipeline.InProgressError{Key: "k"}, time.Second), pipeline.Record{Attempt: 9}, &deadLetterStore{}, 3, pipeline.Failed, 0},
		{"unreadable", nil, pipeline.Record{Attempt: 1, Err: errAgain}, &deadLetterStore{}, 3, pipeline.DeadLettered, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := pipeline.Options{Worker: "w", MaxAttempts: tt.max, Now: func() time.Time { return at }}
			if tt.box != nil {
				o.DeadLetter = tt.box.take
			} else {
				tt.box = &deadLetterStore{}
			}
			called := false
			got := pipeline.Run(t.Context(), []pipeline.Record{tt.record}, func(context.Context, pipeline.Record) error {
				called = true
				return tt.err
			}, o)
			if s := got.Outcomes[0].Status; s != tt.want {
				t.Errorf("status: got %v, want %v", s, tt.want)
			}
			if called != (tt.record.Err == nil) {
				t.Errorf("handler called: got %v, want only for a record without Err", called)
			}
			if len(tt.box.stored) != tt.letters {
				t.Fatalf("dead letters: got %d, want %d", len(tt.box.stored), tt.letters)
			}
			for _, l := range tt.box.stored {
				if l.Worker != "w" || !l.At.Equal(at) || !errors.Is(l.Reason, errAgain) || l.Record.Attempt != tt.record.Attempt {
					t.Errorf("dead letter: got %+v, want worker w, time %v, reason %v and the record", l, at, errAgain)
				}
			}
		})
	}
}

func TestRunCanceledWritesNoDeadLetters(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	box := &deadLetterStore{}
	got := pipeline.Run(ctx, []pipeline.Record{{ID: "0", Attempt: 5}}, func(ctx context.Context, _ pipeline.Record) error {
		cancel()
		return ctx.Err()
	}, pipeline.Options{MaxAttempts: 3, DeadLetter: box.take})
	if got.Outcomes[0].Status != pipeline.Failed || len(box.stored) != 0 {
		t.Errorf("got %v and %d dead letters, want failed and none: the run was canceled", got.Outcomes[0].Status, len(box.stored))
	}
}

func TestRunDelaysFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		err       error
		want, max time.Duration // 0: not delayed
	}{
		{"a plain failure waits for the backoff", errAgain, 3 * time.Second, 3 * time.Second},
		{"RetryAfter adds up to a quarter", fmt.Errorf("job: %w", pipeline.RetryAfter(errAgain, time.Minute)), time.Minute, 75 * time.Second},
		{"the longest RetryAfter", pipeline.RetryAfter(errAgain, math.MaxInt64), math.MaxInt64 / 2, math.MaxInt64},
		{"RetryAfter of zero", pipeline.RetryAfter(errAgain, 0), 0, 0},
		{"permanent without dead letters", pipeline.Permanent(errAgain), 3 * time.Second, 3 * time.Second},
		{"done", nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got time.Duration
			res := pipeline.Run(t.Context(), []pipeline.Record{{ID: "0", Attempt: 3}}, func(context.Context, pipeline.Record) error {
				return tt.err
			}, pipeline.Options{
				Delay: func(_ context.Context, r pipeline.Record, d time.Duration) error {
					got = d
					return errors.New("refused") // is only logged
				},
				Backoff: func(attempt int) time.Duration { return time.Duration(attempt) * time.Second },
			})
			if got < tt.want || got > tt.max {
				t.Errorf("delay: got %v, want %v to %v", got, tt.want, tt.max)
			}
			if (res.Outcomes[0].Status == pipeline.Failed) != (tt.err != nil) {
				t.Errorf("status: got %v for error %v", res.Outcomes[0].Status, tt.err)
			}
		})
	}
}

func TestErrorIfAllFailedNeedsEveryRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fail   []string
		option bool
		want   bool
	}{
		{"all failed", []string{"0", "1"}, true, true},
		{"one was done", []string{"0"}, true, false},
		{"not asked for", []string{"0", "1"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			err := pipeline.Run(t.Context(), batchOf("", ""), failing(&j, tt.fail...), pipeline.Options{ErrorIfAllFailed: tt.option}).Err()
			failed, ok := errors.AsType[*pipeline.BatchFailedError](err)
			if ok != tt.want {
				t.Fatalf("error: got %v, want one: %v", err, tt.want)
			}
			if ok && (failed.Records != 2 || !errors.Is(failed, errAgain)) {
				t.Errorf("error: got %+v, want 2 records and the first error", failed)
			}
		})
	}
}

// Records refused together do not return together.
func TestRunAddsJitterToRetryAfter(t *testing.T) {
	t.Parallel()
	seen := make(map[time.Duration]bool)
	pipeline.Run(t.Context(), batchOf(make([]string, 100)...), func(context.Context, pipeline.Record) error {
		return pipeline.RetryAfter(errAgain, time.Minute)
	}, pipeline.Options{Parallel: 1, Delay: func(_ context.Context, _ pipeline.Record, d time.Duration) error {
		if d < time.Minute || d > 75*time.Second {
			t.Errorf("delay: got %v, want 1m to 1m15s", d)
		}
		seen[d.Round(time.Second)] = true
		return nil
	}})
	if len(seen) < 8 {
		t.Errorf("100 records return at %d different seconds, want about 16", len(seen))
	}
}

// Only failures that may be retried make a function error.
func TestErrorIfAllFailedCountsRetryableFailures(t *testing.T) {
	t.Parallel()
	box, full := &deadLetterStore{}, &deadLetterStore{err: errors.New("the dead-letter queue is unavailable")}
	for _, tt := range []struct {
		name string
		err  error // of record 0; record 1 is to be retried
		box  *deadLetterStore
		want bool
	}{
		{"permanent, without DeadLetter", pipeline.Permanent(errAgain), nil, false},
		{"permanent, dead letter rejected", pipeline.Permanent(errAgain), full, true},
		{"permanent, with a dead letter", pipeline.Permanent(errAgain), box, false},
		{"retryable", errAgain, box, true},
		{"RetryAfter", pipeline.RetryAfter(errAgain, time.Second), box, true},
		{"in progress by another owner", pipeline.RetryAfter(&pipeline.InProgressError{Key: "k"}, time.Second), box, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := pipeline.Options{ErrorIfAllFailed: true}
			if tt.box != nil {
				o.DeadLetter = tt.box.take
			}
			err := pipeline.Run(t.Context(), batchOf("", ""), func(_ context.Context, r pipeline.Record) error {
				if r.ID == "0" {
					return tt.err
				}
				return errAgain
			}, o).Err()
			if (err != nil) != tt.want {
				t.Errorf("got %v, want an error: %v", err, tt.want)
			}
		})
	}
}

func TestRunOfAnEmptyBatchHasNoError(t *testing.T) {
	t.Parallel()
	got := pipeline.Run(t.Context(), nil, nil, pipeline.Options{ErrorIfAllFailed: true})
	if len(got.Outcomes) != 0 || got.Err() != nil {
		t.Errorf("got %+v, want no outcomes and no error", got)
	}
}

func TestRunDoesNotAllocateForEachRecord(t *testing.T) {
	h := func(context.Context, pipeline.Record) error { return nil }
	run := func(n int) float64 {
		records := batchOf(make([]string, n)...)
		return testing.AllocsPerRun(20, func() { pipeline.Run(t.Context(), records, h, pipeline.Options{Parallel: 1}) })
	}
	if few, many := run(10), run(1000); many > few+2 {
		t.Errorf("allocations: %v for 10 records, %v for 1000: want no more", few, many)
	}
}

// BenchmarkRun compares Run with a loop that handles the records one by one and
// collects the failed ids.
func BenchmarkRun(b *testing.B) {
	records := batchOf(make([]string, 1000)...)
	h := func(_ context.Context, r pipeline.Record) error {
		if r.Attempt > 1 {
			return errAgain
		}
		return nil
	}
	perRecord := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/record")
		b.ReportAllocs()
	}
	b.Run("by=hand", func(b *testing.B) {
		for b.Loop() {
			var failed []string
			for _, r := range records {
				if err := h(b.Context(), r); err != nil {
					failed = append(failed, r.ID)
				}
			}
			_ = failed
		}
		perRecord(b)
	})
	for _, parallel := range []int{1, 10} {
		b.Run(fmt.Sprintf("by=run/parallel=%d", parallel), func(b *testing.B) {
			for b.Loop() {
				pipeline.Run(b.Context(), records, h, pipeline.Options{Parallel: parallel})
			}
			perRecord(b)
		})
	}
}
