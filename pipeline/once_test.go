package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// clock is a manual clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newOnce() (*pipeline.Once, *clock) {
	c := newClock()
	return &pipeline.Once{Table: new(tabletest.Memory), Now: c.Now}, c
}

func returning(result string, err error, calls *int) func(context.Context) (json.RawMessage, error) {
	return func(context.Context) (json.RawMessage, error) {
		*calls++
		return json.RawMessage(result), err
	}
}

func TestOnceReturnsTheFirstResult(t *testing.T) {
	t.Parallel()
	o, c := newOnce()
	calls := 0
	for range 3 {
		got, err := o.Do(t.Context(), "k", returning(`{"n":1}`, nil, &calls))
		if err != nil || string(got) != `{"n":1}` {
			t.Errorf("got %s, %v, want the first result each time", got, err)
		}
	}
	if calls != 1 {
		t.Errorf("calls: got %d, want 1", calls)
	}
	if done, err := o.Done(t.Context(), "k"); !done || err != nil {
		t.Errorf("Done: got %v, %v, want true", done, err)
	}
	c.add(24 * time.Hour)
	if done, err := o.Done(t.Context(), "k"); done || err != nil {
		t.Errorf("Done after a day: got %v, %v, want false: the claim has expired", done, err)
	}
	if _, err := o.Do(t.Context(), "k", returning(``, nil, &calls)); err != nil || calls != 2 {
		t.Errorf("after a day: %d calls, error %v, want a second call", calls, err)
	}
	if done, err := o.Done(t.Context(), "other"); done || err != nil {
		t.Errorf("Done of another key: got %v, %v, want false", done, err)
	}
}

func TestOnceReleasesOnError(t *testing.T) {
	t.Parallel()
	o, _ := newOnce()
	calls := 0
	if _, err := o.Do(t.Context(), "k", returning(``, errAgain, &calls)); !errors.Is(err, errAgain) {
		t.Errorf("error: got %v, want that of the function", err)
	}
	if _, err := o.Do(t.Context(), "k", returning(``, nil, &calls)); err != nil || calls != 2 {
		t.Errorf("second try: %d calls, error %v", calls, err)
	}
}

func TestOnceReleasesOnPanic(t *testing.T) {
	t.Parallel()
	o, _ := newOnce()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("got no panic, want that of the function")
			}
		}()
		_, _ = o.Do(t.Context(), "k", func(context.Context) (json.RawMessage, error) { panic("boom") })
	}()
	calls := 0
	if _, err := o.Do(t.Context(), "k", returning(``, nil, &calls)); err != nil || calls != 1 {
		t.Errorf("after the panic: %d calls, error %v", calls, err)
	}
}

func TestOnceInProgressByAnotherOwnerIsRetried(t *testing.T) {
	t.Parallel()
	o, c := newOnce()
	o.InProgress = time.Minute
	calls := 0
	_, err := o.Do(t.Context(), "k", func(ctx context.Context) (json.RawMessage, error) {
		c.add(20 * time.Second)
		_, err := o.Do(ctx, "k", returning(``, nil, &calls))
		busy, ok := errors.AsType[*pipeline.InProgressError](err)
		if !ok || busy.Key != "k" || calls != 0 {
			t.Errorf("meanwhile: %d calls, error %v, want a *InProgressError", calls, err)
		}
		if later, ok := errors.AsType[*pipeline.RetryAfterError](err); !ok || later.After != 40*time.Second {
			t.Errorf("meanwhile: error %v, want a retry after the 40s left of the claim", err)
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOnceFencesALateOwner(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		late error // of the late owner's function
	}{{"that is done", nil}, {"that failed", errAgain}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, c := newOnce()
			o.InProgress = time.Minute
			calls := 0
			_, err := o.Do(t.Context(), "k", func(ctx context.Context) (json.RawMessage, error) {
				c.add(2 * time.Minute) // the claim expires, and a successor takes over
				if got, err := o.Do(ctx, "k", returning(`"successor"`, nil, &calls)); err != nil || string(got) != `"successor"` {
					t.Errorf("successor: got %s, %v", got, err)
				}
				return json.RawMessage(`"late"`), tt.late
			})
			if _, lost := errors.AsType[*pipeline.ClaimLostError](err); tt.late == nil && !lost {
				t.Errorf("late owner: got %v, want a *ClaimLostError", err)
			}
			got, err := o.Do(t.Context(), "k", returning(`"third"`, nil, &calls))
			if err != nil || string(got) != `"successor"` || calls != 1 {
				t.Errorf("afterwards: got %s, %v after %d calls, want the result of the successor", got, err, calls)
			}
		})
	}
}

func TestOnceAcceptsLongKeysButNotEmptyOnes(t *testing.T) {
	t.Parallel()
	o, _ := newOnce()
	calls := 0
	if _, err := o.Do(t.Context(), "", returning(``, nil, &calls)); !pipeline.IsPermanent(err) || calls != 0 {
		t.Errorf("empty key: %d calls, error %v, want a permanent error", calls, err)
	}
	long := strings.Repeat("k", 3000)
	for range 2 {
		if _, err := o.Do(t.Context(), long, returning(``, nil, &calls)); err != nil {
			t.Errorf("long key: %v", err)
		}
	}
	if calls != 1 {
		t.Errorf("long key: %d calls, want 1", calls)
	}
}

func TestOnceCallsOnlyOneOfManyConcurrently(t *testing.T) {
	t.Parallel()
	o, _ := newOnce()
	var mu sync.Mutex
	calls, done, busy := 0, 0, 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := o.Do(t.Context(), "k", func(context.Context) (json.RawMessage, error) {
				mu.Lock()
				defer mu.Unlock()
				calls++
				return nil, nil
			})
			mu.Lock()
			defer mu.Unlock()
			if _, is := errors.AsType[*pipeline.InProgressError](err); is {
				busy++
			} else if err == nil {
				done++
			} else {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if calls != 1 || done+busy != 20 {
		t.Errorf("calls %d, done %d, busy %d: want 1 call, and the rest done or busy", calls, done, busy)
	}
}

func TestOnceClaimLastsUntilTheDeadline(t *testing.T) {
	t.Parallel()
	o := &pipeline.Once{Table: new(tabletest.Memory)}
	deadline := time.Now().Add(10 * time.Minute).Truncate(time.Millisecond)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	_, err := o.Do(ctx, "k", func(context.Context) (json.RawMessage, error) {
		_, err := o.Do(t.Context(), "k", nil)
		if busy, ok := errors.AsType[*pipeline.InProgressError](err); !ok || !busy.Until.Equal(deadline) {
			t.Errorf("meanwhile: got %v, want it claimed until the deadline %v", err, deadline)
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOnceClaimIsCappedAtLongestInvocation: a runtime has announced a deadline
// 9.5 years ahead.
func TestOnceClaimIsCappedAtLongestInvocation(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	table := new(tabletest.Memory)
	o := &pipeline.Once{Table: table, Now: func() time.Time { return now }}
	ctx, cancel := context.WithDeadline(t.Context(), now.AddDate(9, 6, 0))
	defer cancel()
	_, err := o.Do(ctx, "k", func(context.Context) (json.RawMessage, error) {
		_, err := o.Do(ctx, "k", nil)
		if busy, ok := errors.AsType[*pipeline.InProgressError](err); !ok || !busy.Until.Equal(now.Add(pipeline.MaxInvocation)) {
			t.Errorf("meanwhile: got %v, want it claimed for %v", err, pipeline.MaxInvocation)
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
	// A claim that an earlier version stored is asked for again within the limit.
	far := &pipeline.Once{Table: table, Now: o.Now, InProgress: 9 * 365 * 24 * time.Hour}
	_, err = far.Do(ctx, "far", func(context.Context) (json.RawMessage, error) {
		_, err := o.Do(ctx, "far", nil)
		if later, ok := errors.AsType[*pipeline.RetryAfterError](err); !ok || later.After != pipeline.MaxInvocation {
			t.Errorf("a claim of nine years: got %v, want a retry after %v", err, pipeline.MaxInvocation)
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// brokenSecondPut is a table whose second write fails.
type brokenSecondPut struct {
	tabletest.Memory
	puts int
}

func (b *brokenSecondPut) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if b.puts++; b.puts == 2 {
		return pipeline.Item{}, errAgain
	}
	return b.Memory.Put(ctx, it, c)
}

func TestOnceKeepsTheClaimIfCompletingItFails(t *testing.T) {
	t.Parallel()
	o := &pipeline.Once{Table: new(brokenSecondPut), Now: newClock().Now}
	calls := 0
	if _, err := o.Do(t.Context(), "k", returning(``, nil, &calls)); !errors.Is(err, errAgain) {
		t.Errorf("got %v, want the table's error", err)
	}
	_, err := o.Do(t.Context(), "k", returning(``, nil, &calls))
	if _, ok := errors.AsType[*pipeline.InProgressError](err); !ok || calls != 1 {
		t.Errorf("afterwards: %d calls, error %v, want the claim to stay until it expires", calls, err)
	}
}

func TestOnceTakesOverFromADeadProcess(t *testing.T) {
	t.Parallel()
	tbl, c := new(tabletest.Memory), newClock()
	process := func(name string) *pipeline.Once { return &pipeline.Once{Table: tbl, Now: c.Now, ProcessID: name} }
	calls := 0
	_, err := process("first").Do(t.Context(), "k", func(ctx context.Context) (json.RawMessage, error) {
		// The same process respects its own claim.
		if _, err := process("first").Do(ctx, "k", returning(``, nil, &calls)); err == nil || calls != 0 {
			t.Errorf("same process: %d calls, error %v, want it in progress", calls, err)
		}
		// Another process id means that the first process is dead.
		if _, err := process("second").Do(ctx, "k", returning(`"second"`, nil, &calls)); err != nil || calls != 1 {
			t.Errorf("next process: %d calls, error %v, want it done immediately", calls, err)
		}
		return nil, nil
	})
	if _, lost := errors.AsType[*pipeline.ClaimLostError](err); !lost {
		t.Errorf("first process: got %v, want a *ClaimLostError", err)
	}
	// A completed claim is respected by every process.
	if got, err := process("third").Do(t.Context(), "k", returning(``, nil, &calls)); err != nil || string(got) != `"second"` || calls != 1 {
		t.Errorf("later: got %s, %v after %d calls", got, err, calls)
	}
}

// conflictBarrier is a table on which all claimants get their conflict before any
// of them continues.
type conflictBarrier struct {
	tabletest.Memory
	refused sync.WaitGroup
}

func (b *conflictBarrier) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	stored, err := b.Memory.Put(ctx, it, c)
	if c == pipeline.Absent() {
		b.refused.Done()
		b.refused.Wait()
	}
	return stored, err
}

func TestOnceHasOneSuccessorOfAnExpiredClaim(t *testing.T) {
	t.Parallel()
	c := newClock()
	tbl := &conflictBarrier{}
	o := &pipeline.Once{Table: tbl, Now: c.Now, InProgress: time.Minute}
	tbl.refused.Add(1)
	_, err := o.Do(t.Context(), "k", func(context.Context) (json.RawMessage, error) {
		c.add(2 * time.Minute) // this owner has died
		tbl.refused.Add(2)
		var mu sync.Mutex
		calls, busy := 0, 0
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := o.Do(t.Context(), "k", func(context.Context) (json.RawMessage, error) {
					mu.Lock()
					defer mu.Unlock()
					calls++
					return nil, nil
				})
				mu.Lock()
				defer mu.Unlock()
				if _, is := errors.AsType[*pipeline.InProgressError](err); is {
					busy++
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if calls != 1 || busy != 1 {
			t.Errorf("got %d successors and %d InProgressErrors, want one each", calls, busy)
		}
		return nil, nil
	})
	if _, lost := errors.AsType[*pipeline.ClaimLostError](err); !lost {
		t.Errorf("the first owner: got %v, want a *ClaimLostError", err)
	}
}

// A result at the last moment is stored, and a failure then is retried at once.
func TestOnceEndsItsClaimWithACanceledContext(t *testing.T) {
	t.Parallel()
	for _, failed := range []error{nil, errAgain} {
		o, _ := newOnce()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := o.Do(ctx, "k", func(context.Context) (json.RawMessage, error) {
			cancel()
			return json.RawMessage(`"first"`), failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("got %v, want %v", err, failed)
		}
		calls := 0
		got, err := o.Do(t.Context(), "k", returning(`"second"`, nil, &calls))
		want, wantCalls := `"first"`, 0
		if failed != nil {
			want, wantCalls = `"second"`, 1
		}
		if err != nil || string(got) != want || calls != wantCalls {
			t.Errorf("after %v: got %s, %v by %d calls, want %s by %d", failed, got, err, calls, want, wantCalls)
		}
	}
}

// The table must not remove an item whose claim is valid.
func TestOnceItemsExpireAfterTheirClaims(t *testing.T) {
	t.Parallel()
	o, c := newOnce()
	o.InProgress = time.Minute
	check := func(what string, claim time.Duration) {
		t.Helper()
		it, err := o.Table.Get(t.Context(), pipeline.Key{PK: "once#k", SK: "-"})
		if want := c.Now().Add(claim + time.Hour); err != nil || !it.Expires.Equal(want) {
			t.Errorf("%s: expires at %v, %v, want an hour after the claim: %v", what, it.Expires, err, want)
		}
	}
	_, err := o.Do(t.Context(), "k", func(context.Context) (json.RawMessage, error) {
		check("in progress", time.Minute)
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check("completed", 24*time.Hour)
}
