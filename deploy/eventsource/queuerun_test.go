package eventsource

import (
	"context"
	"errors"
	"fmt"
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
		window   time.Duration
		messages int
		want     []int // how many messages the events hold, sorted
	}{
		{0, 0, 25, []int{5, 10, 10}},
		{3, 0, 7, []int{1, 3, 3}},
		{100, time.Second, 25, []int{25}},
		{12, time.Second, 30, []int{6, 12, 12}},
	} {
		t.Run(fmt.Sprint(tt.size), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, 2*time.Minute)
				r := newRecorder(nil)
				m := queueMapping(q, r)
				m.BatchSize, m.Window = tt.size, tt.window
				q.send(slices.Repeat([]string{"x"}, tt.messages)...)
				run := startMapping(t, m.Run)
				time.Sleep(time.Minute)
				synctest.Wait()
				run.stopClean()
				if got := r.sizes(); !slices.Equal(got, tt.want) {
					t.Errorf("events of %v messages, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestQueueWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		r := newRecorder(nil)
		m := queueMapping(q, r)
		m.BatchSize, m.Window = 4, 5*time.Second
		run := startMapping(t, m.Run)

		time.Sleep(30 * time.Second) // the window begins with the first message, not with the poll
		q.send("1")
		time.Sleep(2 * time.Second)
		q.send("2")
		time.Sleep(3*time.Second - 1)
		synctest.Wait()
		if r.count() != 0 {
			t.Errorf("invoked with %q before the window was over", r.ids())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := r.ids(); got != "ab" {
			t.Errorf("events %q at the end of the window, want ab", got)
		}

		q.send("3", "4", "5", "6") // a full batch does not wait
		synctest.Wait()
		if got := r.ids(); got != "ab cdef" {
			t.Errorf("events %q, want the full batch at once", got)
		}
		run.stopClean()
	})
}

func TestQueueWindowEndsAtMostASecondLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		r := newRecorder(nil)
		m := queueMapping(q, r)
		m.Window = 5 * time.Second
		run := startMapping(t, m.Run)
		q.send("1")
		time.Sleep(2500 * time.Millisecond)
		q.send("2")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.times(); len(got) != 1 || got[0] < 5*time.Second || got[0] >= 6*time.Second {
			t.Errorf("invoked at %v, want once within 5 s and 6 s", got)
		}
		run.stopClean()
	})
}

func TestQueuePayloadLimit(t *testing.T) {
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
			for _, c := range r.calls {
				if c.bytes > MaxPayloadBytes {
					t.Errorf("an event of %d bytes, over 6 MB", c.bytes)
				}
			}
			if q.changes != 0 {
				t.Errorf("%d visibilities were changed, want none: there is time for two parts", q.changes)
			}
			if got := r.ids(); got != "abcde fghij" || q.ids() != "" {
				t.Errorf("fifo %t: events %q, left %q; want two parts in order", fifo, got, q.ids())
			}
		})
	}
}

func TestQueueStopsGatheringAtThePayloadLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, 2*time.Minute)
		r := newRecorder(nil)
		m := queueMapping(q, r)
		m.BatchSize, m.Window = 100, time.Minute
		q.send(slices.Repeat([]string{strings.Repeat("x", 1<<20)}, 6)...)
		run := startMapping(t, m.Run)
		synctest.Wait()
		if got := r.sizes(); !slices.Equal(got, []int{1, 5}) {
			t.Errorf("events of %v messages within the window, want them at once: the payload limit is reached", got)
		}
		run.stopClean()
	})
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
				t.Errorf("concurrency %d: %d messages received while all slots are taken, want %d: none waits with its visibility running", tt.set, received, tt.want)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			if r.peak != tt.want || q.ids() != "" {
				t.Errorf("concurrency %d: %d at the same time, want %d; left %q", tt.set, r.peak, tt.want, q.ids())
			}
		})
	}
}

func TestQueueFunctionSeesItsContext(t *testing.T) {
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
			t.Errorf("deadline in %v, want 3s", left)
		}
		if lc.InvokedFunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:messages" || len(lc.AwsRequestID) != 36 {
			t.Errorf("lambdacontext %+v", lc)
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
			0, 0, 210 * ms, 210 * ms, 620 * ms, 620 * ms, // two fail at a time: a pause grows once for both
			1430 * ms, 1430 * ms, 1440 * ms, 1440 * ms, 1450 * ms, 1450 * ms, // the first success ends it
			1460 * ms, 1460 * ms, 1670 * ms, 1670 * ms, // and the next error begins anew
		}
		if got := r.times(); !slices.Equal(got, want) {
			t.Errorf("invoked at %v, want %v", got, want)
		}
	})
}

func TestQueueDoesNotSlowDownOnNamedFailures(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(ids []string) string{
		"named":     func(ids []string) string { return failures(ids...) },
		"malformed": func([]string) string { return `not JSON` },
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2", "3", "4", "5", "6")
			r := newRecorder(func(_ context.Context, ids []string) (string, error) {
				time.Sleep(10 * time.Millisecond)
				return answer(ids), nil
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

func TestQueueAbandonsAFunctionPastItsDeadline(t *testing.T) {
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

		// Two hang in the two slots. Past their deadline they are abandoned: the slots are free, but the bound is reached.
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := r.count(); got != 2 {
			t.Errorf("%d events, want 2: too many abandoned invocations run", got)
		}
		if n := strings.Count(log.String(), "abandoned an invocation"); n != 2 || !strings.Contains(log.String(), "stalled") {
			t.Errorf("log %q, want two abandoned and a stall", log.String())
		}
		close(hang)
		synctest.Wait()
		if got := r.count(); got != 3 {
			t.Errorf("%d events after the abandoned ones returned, want 3", got)
		}
		// Their late success is ignored: both messages are still there and come back at their visibility's end.
		if got := q.ids(); got != "ab" {
			t.Errorf("left %q, want ab", got)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := q.ids(); got != "" || r.count() != 5 {
			t.Errorf("left %q after %d events, want both again and done", got, r.count())
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
			t.Errorf("left %q, log %q; want a plain timeout", q.ids(), s)
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
		inWork := make(map[string]bool)
		r := newRecorder(nil)
		r.answer = func(_ context.Context, ids []string) (string, error) {
			groups := make(map[string]bool) // of this batch
			for _, id := range ids {
				groups[string(rune('A'+(id[0]-'a')%2))] = true
			}
			r.mu.Lock()
			for g := range groups {
				if inWork[g] {
					t.Errorf("two batches of group %s at the same time", g)
				}
				inWork[g] = true
			}
			r.mu.Unlock()
			time.Sleep(time.Second)
			r.mu.Lock()
			for g := range groups {
				delete(inWork, g)
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
		// The first batch a..j fails at c e g i of group A: group A rests until its visibility ends, B goes on.
		if got, want := r.ids(), "abcdefghij lnprtvx cegikmoqsu w"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
		if q.ids() != "" {
			t.Errorf("left %q", q.ids())
		}
	})
}

func TestQueueFIFOHoldsTheRestOfAGroupThatFailed(t *testing.T) {
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

func TestQueueFIFOWaitsForABatchOfTheGroupThatStillRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A queue that is not honest gives a group away while its batch runs.
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
			t.Errorf("invoked at %v, want the last after the first ended", r.times())
		}
	})
}

func TestQueueDeletesInTensAndRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		q := newFakeSQS(t, 2*time.Minute)
		q.send(slices.Repeat([]string{"x"}, 25)...)
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
		whole := 0
		q.failBatch = func() error {
			if whole++; whole == 1 {
				return errors.New("connection reset")
			}
			return nil
		}
		m := queueMapping(q, newRecorder(nil))
		m.BatchSize, m.Window, m.Logger = 25, time.Second, log.logger()
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		synctest.Wait()
		run.stopClean()
		if got := q.ids(); got != "cd" {
			t.Errorf("left %q, want c (tried in vain) and d (stale handle)", got)
		}
		if tries["a"] != 1 || tries["b"] != 3 || tries["c"] != settleTries-1 || tries["d"] != 1 {
			t.Errorf("deletes tried: %v", tries)
		}
		if got, want := q.deletes, []int{10, 10, 2, 2, 1, 10, 5}; !slices.Equal(got, want) {
			t.Errorf("delete calls of %v messages, want %v", got, want)
		}
		for _, id := range []string{"messageId=c", "messageId=d"} {
			if !strings.Contains(log.String(), id) {
				t.Errorf("log %q does not name %s", log.String(), id)
			}
		}
	})
}

func TestQueueGoesOnAfterReceiveErrors(t *testing.T) {
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
		m.Window = time.Second // one poller
		run := startMapping(t, m.Run)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		run.stopClean()
		// 200 + 400 + 800 ms of backoff, then the window.
		if got := r.times(); !slices.Equal(got, []time.Duration{2400 * time.Millisecond}) {
			t.Errorf("invoked at %v, want once at 2.4s", got)
		}
	})
}

func TestQueueDrain(t *testing.T) {
	t.Parallel()
	t.Run("waits for running invocations and obeys their answers", func(t *testing.T) {
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
				t.Errorf("drained in %v, left %q; want 5s and b", took, q.ids())
			}
			q.send("3")
			time.Sleep(time.Minute)
			if r.count() != 1 {
				t.Errorf("%d events, want none after the end", r.count())
			}
		})
	})
	t.Run("gives back at once what it gathered", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2")
			r := newRecorder(nil)
			m := queueMapping(q, r)
			m.Window = 30 * time.Second
			run := startMapping(t, m.Run)
			time.Sleep(time.Second)
			run.stopClean()
			if r.count() != 0 || q.find("a").visibleAt.After(time.Now()) || q.find("b").visibleAt.After(time.Now()) {
				t.Errorf("%d events, a visible at %v; want both given back unseen", r.count(), q.find("a").visibleAt)
			}
		})
	})
	t.Run("cuts a function that obeys its context and gives its messages back", func(t *testing.T) {
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
				t.Errorf("drained in %v, visible at %v; want the limit and given back", took, q.find("a").visibleAt)
			}
		})
	})
	t.Run("obeys an answer that comes after the cut", func(t *testing.T) {
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
				t.Errorf("left %q, %d visibilities changed; want a deleted, and b left alone: it may be put off", q.ids(), q.changes)
			}
		})
	})
	t.Run("leaves the messages of a function that fails after the cut", func(t *testing.T) {
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
				t.Errorf("left %q, %d visibilities changed; want both left alone: they may be put off", q.ids(), q.changes)
			}
		})
	})
	t.Run("says what is left when a function does not obey", func(t *testing.T) {
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
				t.Error("a message in work was given back")
			}
		})
	})
	t.Run("a pause after errors does not hold it up", func(t *testing.T) {
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
				t.Errorf("drained in %v, want at once", took)
			}
		})
	})
}
