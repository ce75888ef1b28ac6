package eventsource

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestQueueBatchSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size     int
		messages int
		want     []int // sizes of the events, sorted
	}{
		{0, 25, []int{5, 10, 10}},
		{3, 7, []int{1, 3, 3}},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, 2*time.Minute)
			r := newRecorder(nil)
			m := queueMapping(q, r)
			m.BatchSize = tt.size
			q.send(slices.Repeat([]string{"x"}, tt.messages)...)
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			if got := r.sizes(); !slices.Equal(got, tt.want) {
				t.Errorf("BatchSize %d: got events of %v messages, want %v", tt.size, got, tt.want)
			}
		})
	}
}

func TestQueueSplitsABatchAtThePayloadLimit(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, 2*time.Minute)
			q.fifo = fifo
			for range 10 {
				q.sendGroup("g", strings.Repeat("x", 1<<20))
			}
			r := newRecorder(nil)
			m := queueMapping(q, r)
			if fifo {
				m.QueueARN = fifoARN
			}
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			for _, i := range r.invocations {
				if i.bytes > MaxPayloadBytes {
					t.Errorf("event of %d bytes, want at most 6 MB", i.bytes)
				}
			}
			if q.changes != 0 {
				t.Errorf("visibility changes: got %d, want none: there is time for two parts", q.changes)
			}
			if got := r.ids(); got != "abcde fghij" || q.ids() != "" {
				t.Errorf("FIFO %t: got events %q and %q left, want two parts in order", fifo, got, q.ids())
			}
		})
	}
}

func TestQueueMaxConcurrency(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ set, want int }{{0, 5}, {2, 2}, {7, 7}} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send(slices.Repeat([]string{"x"}, 20)...)
			r := newRecorder(func(context.Context, []string) (string, error) {
				time.Sleep(time.Second)
				return failures(), nil
			})
			m := queueMapping(q, r)
			m.BatchSize, m.MaxConcurrency = 1, tt.set
			run := startMapping(t, m.Run)
			synctest.Wait()
			if received := q.received(); received != tt.want {
				t.Errorf("MaxConcurrency %d: %d messages received while that many invocations run, want %d: none waits while its visibility timeout runs", tt.set, received, tt.want)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			if r.peak != tt.want || q.ids() != "" {
				t.Errorf("MaxConcurrency %d: got %d invocations at the same time and %q left, want %d and none", tt.set, r.peak, q.ids(), tt.want)
			}
		})
	}
}

func TestQueueInvokesWithDeadlineAndLambdaContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.send("x")
		seen := make(chan lambdacontext.LambdaContext, 1)
		var left time.Duration
		m := queueMapping(q, newRecorder(nil))
		m.Timeout = 0 // Lambda's default
		m.Function = func(ctx context.Context, _ []byte) ([]byte, error) {
			lc, _ := lambdacontext.FromContext(ctx)
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			seen <- *lc
			return nil, nil
		}
		run := startMapping(t, m.Run)
		lc := <-seen
		run.stopClean()
		if left != 3*time.Second {
			t.Errorf("deadline: got %v ahead, want 3s", left)
		}
		if lc.InvokedFunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:messages" || len(lc.AwsRequestID) != 36 {
			t.Errorf("lambdacontext: got %+v", lc)
		}
	})
}

func TestQueueSlowsDownAfterFunctionErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, 12*time.Hour)
		q.send(slices.Repeat([]string{"x"}, 16)...)
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			time.Sleep(10 * time.Millisecond)
			if ids[0] < "g" || ids[0] == "m" || ids[0] == "n" {
				return "", errors.New("no database")
			}
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.BatchSize, m.MaxConcurrency = 1, 2
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		synctest.Wait()
		run.stopClean()
		const ms = time.Millisecond
		want := []time.Duration{
			0, 0, 210 * ms, 210 * ms, 620 * ms, 620 * ms, // two fail at a time: the pause doubles once for both
			1430 * ms, 1430 * ms, 1440 * ms, 1440 * ms, 1450 * ms, 1450 * ms, // the first success ends the pause
			1460 * ms, 1460 * ms, 1670 * ms, 1670 * ms, // and resets it
		}
		if got := r.times(); !slices.Equal(got, want) {
			t.Errorf("invoked at %v, want %v", got, want)
		}
	})
}

func TestQueueDoesNotSlowDownAfterFailuresInAResponse(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]func(ids []string) string{
		"named":     func(ids []string) string { return failures(ids...) },
		"malformed": func([]string) string { return `not JSON` },
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2", "3", "4", "5", "6")
			r := newRecorder(func(_ context.Context, ids []string) (string, error) {
				time.Sleep(10 * time.Millisecond)
				return respond(ids), nil
			})
			m := queueMapping(q, r)
			m.BatchSize, m.MaxConcurrency = 1, 2
			run := startMapping(t, m.Run)
			time.Sleep(time.Second)
			synctest.Wait()
			run.stopClean()
			const ms = time.Millisecond
			if got, want := r.times(), []time.Duration{0, 0, 10 * ms, 10 * ms, 20 * ms, 20 * ms}; !slices.Equal(got, want) {
				t.Errorf("%s: invoked at %v, want %v", name, got, want)
			}
		})
	}
}

func TestQueueAbandonsAFunctionThatRunsPastItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		q := newFakeSQS(t, time.Minute)
		q.send("1", "2", "3")
		hang := make(chan struct{})
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if ids[0] != "c" {
				<-hang
			}
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.BatchSize, m.MaxConcurrency, m.MaxAbandoned, m.Logger = 1, 2, 2, log.logger()
		run := startMapping(t, m.Run)

		// Two invocations hang. Past their deadline they are abandoned: their
		// slots are free, but MaxAbandoned is reached.
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := r.count(); got != 2 {
			t.Errorf("got %d events, want 2: too many abandoned invocations are running", got)
		}
		if n := strings.Count(log.String(), "abandoned an invocation"); n != 2 || !strings.Contains(log.String(), "stalled") {
			t.Errorf("log %q, want two abandoned invocations and a stall", log.String())
		}
		close(hang)
		synctest.Wait()
		if got := r.count(); got != 3 {
			t.Errorf("got %d events after the abandoned invocations returned, want 3", got)
		}
		// Their late success is ignored: both messages are left, and are
		// received again when their visibility timeout ends.
		if got := q.ids(); got != "ab" {
			t.Errorf("left %q, want ab", got)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := q.ids(); got != "" || r.count() != 5 {
			t.Errorf("got %q left after %d events, want none after 5", got, r.count())
		}
		run.stopClean()
	})
}

func TestQueueFunctionThatReturnsAtItsDeadlineIsNotAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		q := newFakeSQS(t, time.Minute)
		q.send("1")
		r := newRecorder(func(ctx context.Context, _ []string) (string, error) {
			<-ctx.Done()
			time.Sleep(returnGrace / 2)
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.Logger = log.logger()
		run := startMapping(t, m.Run)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if s := log.String(); strings.Contains(s, "abandoned") || !strings.Contains(s, "timed out") || q.ids() != "a" {
			t.Errorf("got %q left and log %q, want a timeout that is not abandoned", q.ids(), s)
		}
		run.stopClean()
	})
}

func TestQueueFIFOKeepsTheOrderOfAGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.fifo = true
		for i := range 24 {
			q.sendGroup(string(rune('A'+i%2)), "x") // groups A and B: a c e ... and b d f ...
		}
		var failed atomic.Bool
		busy := make(map[string]bool) // groups with a running invocation
		r := newRecorder(nil)
		r.respond = func(_ context.Context, ids []string) (string, error) {
			groups := make(map[string]bool) // of this batch
			for _, id := range ids {
				groups[string(rune('A'+(id[0]-'a')%2))] = true
			}
			r.mu.Lock()
			for g := range groups {
				if busy[g] {
					t.Errorf("group %s is in two running invocations", g)
				}
				busy[g] = true
			}
			r.mu.Unlock()
			time.Sleep(time.Second)
			r.mu.Lock()
			for g := range groups {
				delete(busy, g)
			}
			r.mu.Unlock()
			if slices.Contains(ids, "c") && !failed.Swap(true) {
				return failures(slices.DeleteFunc(ids, func(id string) bool { return id == "a" || (id[0]-'a')%2 == 1 })...), nil
			}
			return failures(), nil
		}
		m := queueMapping(q, r)
		m.QueueARN = fifoARN
		run := startMapping(t, m.Run)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		run.stopClean()
		// The first batch, a to j, fails at c, e, g and i of group A. Group A
		// is invisible until the visibility timeout ends; group B continues.
		if got, want := r.ids(), "abcdefghij lnprtvx cegikmoqsu w"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
		if q.ids() != "" {
			t.Errorf("left %q", q.ids())
		}
	})
}

func TestQueueFIFODoesNotInvokeTheRestOfAGroupThatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.fifo = true
		big := strings.Repeat("x", 1<<20)
		for _, g := range []string{"A", "A", "A", "A", "A", "A", "B"} { // over 6 MB: parts abcde and fg
			q.sendGroup(g, big)
		}
		var calls atomic.Int32
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if calls.Add(1) == 1 {
				return failures("e"), nil
			}
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.QueueARN = fifoARN
		run := startMapping(t, m.Run)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		run.stopClean()
		if got, want := r.ids(), "abcde g ef"; got != want {
			t.Errorf("events %q, want %q: f must not overtake e", got, want)
		}
	})
}

func TestQueueFIFOWaitsForARunningBatchOfTheGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The queue delivers a group while a batch of it is running.
		q := newFakeSQS(t, time.Minute)
		q.sendGroup("A", "1")
		r := newRecorder(func(context.Context, []string) (string, error) {
			time.Sleep(5 * time.Second)
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.QueueARN = fifoARN
		run := startMapping(t, m.Run)
		synctest.Wait()
		q.sendGroup("A", "2")
		q.sendGroup("B", "3")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		run.stopClean()
		if got := r.times(); !slices.Equal(got, []time.Duration{0, 0, 5 * time.Second}) && !slices.Equal(got, []time.Duration{0, 5 * time.Second}) {
			t.Errorf("invoked at %v (%s), want the second batch of group A after the first", got, r.ids())
		}
		if r.times()[r.count()-1] != 5*time.Second {
			t.Errorf("invoked at %v, want the last when the first has ended", r.times())
		}
	})
}

func TestQueueRetriesFailedDeletes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		q := newFakeSQS(t, 2*time.Minute)
		q.send(slices.Repeat([]string{"x"}, 10)...)
		tries := make(map[string]int)
		q.failDelete = func(m *fakeMessage) *types.BatchResultErrorEntry {
			tries[m.id]++
			switch {
			case m.id == "b" && tries[m.id] < 3:
				return &types.BatchResultErrorEntry{Code: aws.String("InternalError")}
			case m.id == "c":
				return &types.BatchResultErrorEntry{Code: aws.String("InternalError")}
			case m.id == "d":
				return &types.BatchResultErrorEntry{Code: aws.String("ReceiptHandleIsInvalid"), SenderFault: true}
			}
			return nil
		}
		calls := 0
		q.failBatch = func() error {
			if calls++; calls == 1 {
				return errors.New("connection reset")
			}
			return nil
		}
		m := queueMapping(q, newRecorder(nil))
		m.Logger = log.logger()
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		synctest.Wait()
		run.stopClean()
		if got := q.ids(); got != "cd" {
			t.Errorf("left %q, want c (all tries failed) and d (invalid handle)", got)
		}
		if tries["a"] != 1 || tries["b"] != 3 || tries["c"] != settleTries-1 || tries["d"] != 1 {
			t.Errorf("tries by message: got %v", tries)
		}
		if got, want := q.deletes, []int{10, 10, 2, 2, 1}; !slices.Equal(got, want) {
			t.Errorf("delete calls: got %v messages, want %v", got, want)
		}
		for _, id := range []string{"messageId=c", "messageId=d"} {
			if !strings.Contains(log.String(), id) {
				t.Errorf("log %q, want %s in it", log.String(), id)
			}
		}
	})
}

func TestQueueRetriesFailedReceives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.send("1")
		n := 0
		q.failReceive = func() error {
			if n++; n <= 3 {
				return errors.New("connection refused")
			}
			return nil
		}
		r := newRecorder(nil)
		m := queueMapping(q, r)
		m.MaxConcurrency = 2
		run := startMapping(t, m.Run)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		run.stopClean()
		// Both pollers fail and wait 200 ms; then one receives, and the other
		// fails and waits.
		if got := r.times(); !slices.Equal(got, []time.Duration{200 * time.Millisecond}) || n < 4 {
			t.Errorf("invoked at %v after %d receives, want once at 200ms", got, n)
		}
	})
}

func TestQueueDrain(t *testing.T) {
	t.Parallel()
	t.Run("waits for running invocations and processes their responses", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2")
			r := newRecorder(func(ctx context.Context, _ []string) (string, error) {
				time.Sleep(5 * time.Second)
				return failures("b"), ctx.Err()
			})
			run := startMapping(t, queueMapping(q, r).Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 5*time.Second || q.ids() != "b" {
				t.Errorf("drained in %v with %q left, want 5s and b", took, q.ids())
			}
			q.send("3")
			time.Sleep(time.Minute)
			if r.count() != 1 {
				t.Errorf("got %d events, want none after the end", r.count())
			}
		})
	})
	t.Run("cancels a function and makes its messages visible if it returns", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1")
			r := newRecorder(func(ctx context.Context, _ []string) (string, error) { <-ctx.Done(); return "", ctx.Err() })
			m := queueMapping(q, r)
			m.DrainLimit = 2 * time.Second
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 2*time.Second || q.find("a").visibleAt.After(time.Now()) {
				t.Errorf("drained in %v with a visible at %v, want 2s and visible", took, q.find("a").visibleAt)
			}
		})
	})
	t.Run("processes a response that arrives after the drain limit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2")
			r := newRecorder(func(ctx context.Context, _ []string) (string, error) { <-ctx.Done(); return failures("b"), nil })
			m := queueMapping(q, r)
			m.DrainLimit = 2 * time.Second
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			if q.ids() != "b" || q.changes != 0 || !q.find("b").visibleAt.After(time.Now()) {
				t.Errorf("got %q left after %d visibility changes, want a deleted and b unchanged: the function may have delayed it", q.ids(), q.changes)
			}
		})
	})
	t.Run("does not change the messages of a function that fails after the drain limit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2")
			r := newRecorder(func(ctx context.Context, _ []string) (string, error) {
				<-ctx.Done()
				return "", errors.New("all failed")
			})
			m := queueMapping(q, r)
			m.DrainLimit = 2 * time.Second
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			if q.ids() != "ab" || q.changes != 0 {
				t.Errorf("got %q left after %d visibility changes, want both unchanged: the function may have delayed them", q.ids(), q.changes)
			}
		})
	})
	t.Run("reports the messages of a function that ignores its context", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2")
			hang := make(chan struct{})
			defer close(hang)
			r := newRecorder(func(context.Context, []string) (string, error) { <-hang; return failures(), nil })
			m := queueMapping(q, r)
			m.DrainLimit = 2 * time.Second
			run := startMapping(t, m.Run)
			synctest.Wait()
			err := run.stop()
			left, ok := errors.AsType[*LeftError](err)
			if !ok || !slices.Equal(left.IDs, []string{"a", "b"}) || left.After != 2*time.Second {
				t.Errorf("got %v, want a *LeftError with a and b", err)
			}
			if !q.find("a").visibleAt.After(time.Now()) {
				t.Error("a message of a running invocation is visible")
			}
		})
	})
	t.Run("does not wait for a pause after errors", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Hour)
			q.send("1")
			m := queueMapping(q, newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") }))
			m.Backoff = func(int) time.Duration { return time.Hour }
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 0 {
				t.Errorf("drained in %v, want 0s", took)
			}
		})
	})
}
