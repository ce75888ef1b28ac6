package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func woken(w *waiter) bool {
	select {
	case <-w.woken:
		return true
	default:
		return false
	}
}

func TestWakeTellsOneAndTheLongest(t *testing.T) {
	t.Parallel()
	l := &waiters{}
	a, b, other := l.join("q"), l.join("q"), l.join("p")
	l.wake("q")
	if !woken(a) || woken(b) || woken(other) {
		t.Error("want only the first in line woken")
	}
	l.wake("q")
	if !woken(b) {
		t.Error("want the second woken next")
	}
	l.wake("q") // nobody is in line
	l.wakeAll("p")
	if !woken(other) || len(l.byQueue) != 0 {
		t.Errorf("want everybody woken and no line left, got %v", l.byQueue)
	}
}

// TestLeavingPassesTheWordOn is about the receive that is told of a message at the moment its client hangs up.
func TestLeavingPassesTheWordOn(t *testing.T) {
	t.Parallel()
	l := &waiters{}
	a, b := l.join("q"), l.join("q")
	l.wake("q")
	l.leave(a, false)
	if !woken(b) {
		t.Error("the first was told and left; the second knows nothing")
	}
	l.leave(b, false)
	if len(l.byQueue) != 0 {
		t.Errorf("lines left: %v", l.byQueue)
	}
}

// TestLeavingWakesForWhatIsLeft is about a receive that could not carry all.
func TestLeavingWakesForWhatIsLeft(t *testing.T) {
	t.Parallel()
	l := &waiters{}
	a, b, c := l.join("q"), l.join("q"), l.join("q")
	l.leave(a, false)
	if woken(b) || woken(c) {
		t.Error("nothing is left and somebody was woken")
	}
	l.leave(b, true)
	if !woken(c) {
		t.Error("something is left and nobody was woken")
	}
}

// TestWakesOnlyWhoMayFindSomething looks after each action whether a receive that waits was told.
func TestWakesOnlyWhoMayFindSomething(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, db := reopen(t, t.TempDir(), nil, nil)
		defer db.Close()
		defer s.Close()
		if err := s.Create(t.Context(), "q", nil); err != nil {
			t.Fatal(err)
		}
		s.maxInFlight = 3
		w := s.waiters.join("q")
		told := func(what string, want bool) {
			t.Helper()
			if got := woken(w); got != want {
				t.Errorf("%s: told is %v, want %v", what, got, want)
			} else if got {
				w = s.waiters.join("q")
			}
		}
		take := func(max int, visibility int64) []delivered {
			t.Helper()
			got, err := s.receive(t.Context(), "q", receiveOptions{max: max, visibility: &visibility})
			if err != nil || len(got) == 0 {
				t.Fatal(got, err)
			}
			return got
		}
		on := func(d delivered, do func(q *queue, handle *string) error) {
			t.Helper()
			if err := s.reduce(t.Context(), "q", func(q *queue) error { return do(q, new(d.handle.String())) }); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			mustSend(t, s, "q", "x")
		}
		told("sent", true)
		a := take(1, 60_000)
		told("received one of five", true) // four are left
		b := take(1, 60_000)
		told("received the second", true)
		c := take(1, 60_000)
		told("received the third", true)
		on(a[0], (*queue).delete)
		told("deleted, with as many in flight as may be", true)
		on(b[0], (*queue).delete)
		told("deleted", false)
		d := take(2, 60_000)
		told("received all that was left, invisible for longer than anybody waits", false)
		on(d[0], func(q *queue, h *string) error { return q.changeVisibility(h, new(int64(30))) })
		told("hidden for longer than anybody waits", false)
		on(d[0], func(q *queue, h *string) error { return q.changeVisibility(h, new(int64(20))) })
		told("visible before a receive that begins now ends", true)
		on(d[1], func(q *queue, h *string) error { return q.changeVisibility(h, new(int64(0))) })
		told("not started", true)
		take(1, 5_000)
		told("received, visible again soon", true)
		on(c[0], (*queue).delete)
		s.waiters.leave(w, false)
	})
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &waiters{}
		w := l.join("q")
		start := time.Now()
		if !w.wait(t.Context(), t.Context(), time.Minute) || time.Since(start) != time.Minute {
			t.Errorf("by time: ended after %v", time.Since(start))
		}
		l.wake("q")
		if !w.wait(t.Context(), t.Context(), time.Minute) || len(l.byQueue["q"]) != 1 {
			t.Error("woken: want it to look again, and to stand in line again")
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if w.wait(done, t.Context(), time.Minute) || w.wait(t.Context(), done, time.Minute) {
			t.Error("want no second look when the client is gone or the service closed")
		}
	})
}
