package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
)

// A failure by the deadline of the run does not count as an attempt. Any other
// failure counts, even a late one.
func TestRunDeadlineIsNotAnAttempt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  func(ctx context.Context) error // after the handlers' context ended
		want pipeline.Status
	}{
		{"the context's end", func(ctx context.Context) error { return fmt.Errorf("read: %w", ctx.Err()) }, pipeline.Failed},
		{"a connection's end", func(context.Context) error { return fmt.Errorf("read: %w", os.ErrDeadlineExceeded) }, pipeline.Failed},
		{"an error of the handler", func(context.Context) error { return errAgain }, pipeline.DeadLettered},
		{"permanent", func(ctx context.Context) error { return pipeline.Permanent(ctx.Err()) }, pipeline.DeadLettered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				box := &deadLetterStore{}
				var delayed []error // the errors of the contexts of Delay
				got := pipeline.Run(ctx, []pipeline.Record{{ID: "0", Attempt: 9}}, func(ctx context.Context, _ pipeline.Record) error {
					<-ctx.Done()
					return tt.err(ctx)
				}, pipeline.Options{
					MaxAttempts: 3, DeadLetter: box.take,
					Backoff: func(int) time.Duration { return time.Minute },
					Delay: func(ctx context.Context, _ pipeline.Record, _ time.Duration) error {
						delayed = append(delayed, ctx.Err())
						return nil
					},
				})
				letters, back := 1, 0
				if tt.want == pipeline.Failed {
					letters, back = 0, 1
				}
				if got.Outcomes[0].Status != tt.want || len(box.stored) != letters {
					t.Errorf("got %v with %d dead letters, want %v with %d", got.Outcomes[0], len(box.stored), tt.want, letters)
				}
				if len(delayed) != back || back > 0 && delayed[0] != nil {
					t.Errorf("delays: got %v, want %d under a valid context", delayed, back)
				}
			})
		})
	}
}

func TestRunTimeoutOfTheHandlerIsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		box := &deadLetterStore{}
		got := pipeline.Run(ctx, []pipeline.Record{{ID: "0", Attempt: 3}}, func(ctx context.Context, _ pipeline.Record) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		}, pipeline.Options{MaxAttempts: 3, DeadLetter: box.take})
		if got.Outcomes[0].Status != pipeline.DeadLettered || len(box.stored) != 1 {
			t.Errorf("got %v with %d dead letters, want one", got.Outcomes[0], len(box.stored))
		}
	})
}

// A reserve over the time left is reduced to half of it, with a warning.
func TestRunReducesAReserveOverTheTimeLeft(t *testing.T) {
	t.Parallel()
	for _, reserve := range []time.Duration{10 * time.Second, time.Hour} {
		t.Run(reserve.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var log strings.Builder
				var ended time.Duration
				begun := time.Now()
				got := pipeline.Run(ctx, batchOf("", "", ""), func(ctx context.Context, r pipeline.Record) error {
					if r.ID == "0" {
						time.Sleep(4 * time.Second) // nothing starts from 5 s on
						return nil
					}
					<-ctx.Done()
					ended = time.Since(begun)
					return ctx.Err()
				}, pipeline.Options{Parallel: 1, Reserve: reserve, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if s, want := statuses(got), "0 done, 1 failed, 2 not started"; s != want || ended != 7500*time.Millisecond {
					t.Errorf("outcomes: got %s, handlers cut off after %v, want %s after 7.5s", s, ended, want)
				}
				if !strings.Contains(log.String(), "level=WARN msg=\"reserve leaves no time for the work\" reserve="+reserve.String()+" left=10s taken=5s") {
					t.Errorf("log: got %s, want a warning with both times", log.String())
				}
			})
		})
	}
}

// The response says that the record is delivered again, so a dead letter would
// duplicate it.
func TestRunLateFailureWritesNoDeadLetter(t *testing.T) {
	t.Parallel()
	for _, late := range []error{pipeline.Permanent(errAgain), errAgain} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			box, release, delays := &deadLetterStore{}, make(chan struct{}), 0
			got := pipeline.Run(ctx, []pipeline.Record{{ID: "0", Attempt: 3}}, func(context.Context, pipeline.Record) error {
				<-release // ignores its context
				return late
			}, pipeline.Options{
				MaxAttempts: 3, DeadLetter: box.take, Backoff: func(int) time.Duration { return time.Minute },
				Delay: func(context.Context, pipeline.Record, time.Duration) error { delays++; return nil },
			})
			close(release)
			synctest.Wait()
			if !errors.Is(got.Outcomes[0].Err, pipeline.ErrLost) || len(box.stored) != 0 || delays != 0 {
				t.Errorf("got %v, %d dead letters, %d delays, want it lost and none", got.Outcomes[0], len(box.stored), delays)
			}
		})
	}
}

// A panic in a function of the options fails the record, not the process.
func TestRunRecoversPanicsOfItsOptions(t *testing.T) {
	t.Parallel()
	letter := func(context.Context, pipeline.DeadLetter) error { panic("letter") }
	delay := func(context.Context, pipeline.Record, time.Duration) error { panic("delay") }
	backoff := func(int) time.Duration { return time.Second }
	for name, o := range map[string]pipeline.Options{
		"DeadLetter": {MaxAttempts: 1, DeadLetter: letter},
		"Delay":      {Delay: delay, Backoff: backoff},
		"Backoff":    {Delay: delay, Backoff: func(int) time.Duration { panic("backoff") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := pipeline.Run(t.Context(), batchOf("", ""), func(_ context.Context, r pipeline.Record) error {
				if r.ID == "0" {
					return errAgain
				}
				return nil
			}, o)
			if s, want := statuses(got), "0 failed, 1 done"; s != want || !errors.Is(got.Outcomes[0].Err, errAgain) {
				t.Errorf("got %s, %v, want %s and the handler's error", s, got.Outcomes[0].Err, want)
			}
		})
	}
}

func TestRunCanceledStartsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	got := pipeline.Run(ctx, batchOf("", "", ""), func(context.Context, pipeline.Record) error {
		cancel()
		return nil
	}, pipeline.Options{Parallel: 1})
	if s, want := statuses(got), "0 done, 1 not started, 2 not started"; s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

// An alarm watches for records that were not started. Records blocked by a failure
// must not trigger it.
func TestRunDistinguishesNotStartedFromBlocked(t *testing.T) {
	t.Parallel()
	slow := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	stuck := func(context.Context) error { time.Sleep(time.Minute); return nil }
	fails := func(context.Context) error { return errAgain }
	works := func(context.Context) error { return nil }
	for _, tt := range []struct {
		name   string
		order  pipeline.Order
		groups []string
		do     []func(context.Context) error
		want   string
		given  int
	}{
		{
			name: "a stream, after a failure", order: pipeline.Stream, groups: []string{"a", "b", "c"},
			do: []func(context.Context) error{works, fails, works}, want: "0 done, 1 failed, 2 blocked",
		},
		{
			name: "a stream, after a record that was cut off", order: pipeline.Stream, groups: []string{"a", "b", "c"},
			do: []func(context.Context) error{works, slow, works}, want: "0 done, 1 failed, 2 not started", given: 1,
		},
		{
			name: "a stream, after a lost record", order: pipeline.Stream, groups: []string{"a", "b", "c"},
			do: []func(context.Context) error{works, stuck, works}, want: "0 done, 1 failed, 2 not started", given: 1,
		},
		{
			name: "groups, independent of each other", order: pipeline.Grouped, groups: []string{"a", "a", "b", "b", "c"},
			do: []func(context.Context) error{fails, works, slow, works, works}, want: "0 failed, 1 blocked, 2 failed, 3 not started, 4 not started", given: 2,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var log strings.Builder
				got := pipeline.Run(ctx, batchOf(tt.groups...), func(ctx context.Context, r pipeline.Record) error {
					return tt.do[r.ID[0]-'0'](ctx)
				}, pipeline.Options{Order: tt.order, Parallel: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				time.Sleep(time.Minute) // the stuck handler returns
				if s := statuses(got); s != tt.want {
					t.Errorf("got %s, want %s", s, tt.want)
				}
				held := got.Count(pipeline.Blocked)
				if line := fmt.Sprintf("not_started=%d blocked=%d", tt.given, held); !strings.Contains(log.String(), line) {
					t.Errorf("log: got %s, want %s", log.String(), line)
				}
				if warns := strings.Contains(log.String(), "level=WARN msg=batch"); warns != (tt.given > 0) {
					t.Errorf("log: got %s, want a warning only if records were not started", log.String())
				}
				for _, o := range got.Outcomes {
					if o.Acknowledged() || o.Status == pipeline.Failed {
						continue
					}
					if errors.Is(o.Err, pipeline.ErrBlocked) != (o.Status == pipeline.Blocked) {
						t.Errorf("record %s, %v: got reason %v", o.Record.ID, o.Status, o.Err)
					}
				}
			})
		})
	}
}

// A runtime has announced a deadline 9.5 years ahead.
func TestRunEndsByLongestInvocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9*365*24*time.Hour)
		defer cancel()
		begun := time.Now()
		got := pipeline.Run(ctx, batchOf("", ""), func(ctx context.Context, _ pipeline.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}, pipeline.Options{Parallel: 1, Reserve: 4 * time.Second})
		if s, want := statuses(got), "0 failed, 1 not started"; s != want {
			t.Errorf("outcomes: got %s, want %s", s, want)
		}
		if took := time.Since(begun); took >= pipeline.MaxInvocation || took < pipeline.MaxInvocation-5*time.Second {
			t.Errorf("run: got %v, want it to end just before %v", took, pipeline.MaxInvocation)
		}
	})
}
