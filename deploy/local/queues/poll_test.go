package queues

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func newLines() *lines { return &lines{byQueue: map[string][]*waiter{}} }

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
	l := newLines()
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
	l := newLines()
	a, b := l.join("q"), l.join("q")
	l.wake("q")
	l.leave("q", a)
	if !woken(b) {
		t.Error("the first was told and left; the second knows nothing")
	}
	l.leave("q", b)
	if len(l.byQueue) != 0 {
		t.Errorf("lines left: %v", l.byQueue)
	}
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLines()
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
