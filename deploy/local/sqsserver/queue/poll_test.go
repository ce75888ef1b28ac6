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

func TestWakeWakesTheFirstWaiterOnly(t *testing.T) {
	t.Parallel()
	l := &waiters{}
	a, b, other := l.join("q"), l.join("q"), l.join("p")
	l.wake("q")
	if !woken(a) || woken(b) || woken(other) {
		t.Error("want only the first waiter woken")
	}
	l.wake("q")
	if !woken(b) {
		t.Error("want the second woken next")
	}
	l.wake("q") // nobody waits
	l.wakeAll("p")
	if !woken(other) || len(l.byQueue) != 0 {
		t.Errorf("want every waiter woken and none left, got %v", l.byQueue)
	}
}

// TestLeaveOfWokenWaiterWakesTheNext: the client of a receive may disconnect just
// after the receive was woken.
func TestLeaveOfWokenWaiterWakesTheNext(t *testing.T) {
	t.Parallel()
	l := &waiters{}
	a, b := l.join("q"), l.join("q")
	l.wake("q")
	l.leave(a, false)
	if !woken(b) {
		t.Error("the woken waiter left, and the next was not woken")
	}
	l.leave(b, false)
	if len(l.byQueue) != 0 {
		t.Errorf("waiters left: %v", l.byQueue)
	}
}

func TestLeaveWithMoreMessagesWakesTheNext(t *testing.T) {
	t.Parallel()
	l := &waiters{}
	a, b, c := l.join("q"), l.join("q"), l.join("q")
	l.leave(a, false)
	if woken(b) || woken(c) {
		t.Error("no message remains, and a waiter was woken")
	}
	l.leave(b, true)
	if !woken(c) {
		t.Error("messages remain, and no waiter was woken")
	}
}

// TestChangesWakeOnlyForReceivableMessages checks after each action whether a
// receive that waits was woken.
func TestChangesWakeOnlyForReceivableMessages(t *testing.T) {
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
		check := func(what string, want bool) {
			t.Helper()
			if got := woken(w); got != want {
				t.Errorf("%s: woken is %v, want %v", what, got, want)
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
		check("sent", true)
		a := take(1, 60_000)
		check("received one of five", true) // four remain
		b := take(1, 60_000)
		check("received the second", true)
		c := take(1, 60_000)
		check("received the third", true)
		on(a[0], (*queue).delete)
		check("deleted, with as many in flight as allowed", true)
		on(b[0], (*queue).delete)
		check("deleted", false)
		d := take(2, 60_000)
		check("received all others, invisible for longer than any wait", false)
		on(d[0], func(q *queue, h *string) error { return q.changeVisibility(h, new(int64(30))) })
		check("hidden for longer than any wait", false)
		on(d[0], func(q *queue, h *string) error { return q.changeVisibility(h, new(int64(20))) })
		check("visible before a receive that begins now ends", true)
		on(d[1], func(q *queue, h *string) error { return q.changeVisibility(h, new(int64(0))) })
		check("not started", true)
		take(1, 5_000)
		check("received with a short visibility timeout", true)
		on(c[0], (*queue).delete)
		s.waiters.leave(w, false)
	})
}

func TestWaitEndsByTimeWakeOrDone(t *testing.T) {
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
			t.Error("woken: want true, and the waiter in the list again")
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if w.wait(done, t.Context(), time.Minute) || w.wait(t.Context(), done, time.Minute) {
			t.Error("want false when the client is gone or the service is closed")
		}
	})
}
