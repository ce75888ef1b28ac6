package broadcast

import (
	"testing"
	"testing/synctest"
)

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBroadcastWakesAllThatWaitAndNoneThatWaitLater(t *testing.T) {
	t.Parallel()
	var s Signal
	s.Broadcast() // with nobody waiting
	first, second := s.Next(), s.Next()
	if closed(first) || closed(second) {
		t.Fatal("Next returned a closed channel: an earlier Broadcast must not count")
	}
	s.Broadcast()
	if !closed(first) || !closed(second) {
		t.Error("Broadcast left a waiter asleep")
	}
	if closed(s.Next()) {
		t.Error("Next after Broadcast returned a closed channel")
	}
}

func TestConcurrentWaitersMissNoChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Signal
		n := make(chan int, 1)
		n <- 0
		get := func(add int) int {
			v := <-n + add
			n <- v
			return v
		}
		for range 10 {
			go func() {
				for {
					changed := s.Next()
					if get(0) == 100 {
						return
					}
					<-changed
				}
			}()
		}
		for range 100 {
			go func() {
				get(1)
				s.Broadcast()
			}()
		}
		synctest.Wait() // a waiter that missed the last change blocks: synctest reports a deadlock
	})
}

func TestBroadcastWithoutWaitersAllocatesNothing(t *testing.T) {
	var s Signal
	if n := testing.AllocsPerRun(100, s.Broadcast); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
