package sqsserver

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lines are the receives that wait, by queue, the longest first. One is woken at a time: it looks, and when it leaves it wakes
// the next if it left something, so that no message is left lying and nobody runs for nothing.
type lines struct {
	mu      sync.Mutex
	byQueue map[string][]*waiter
}

// waiter is one receive in line. It is in the list unless it was woken.
type waiter struct {
	woken chan struct{} // holds one
	lines *lines
	queue string
}

func (l *lines) join(queue string) *waiter {
	w := &waiter{woken: make(chan struct{}, 1), lines: l, queue: queue}
	l.mu.Lock()
	l.byQueue[queue] = append(l.byQueue[queue], w)
	l.mu.Unlock()
	return w
}

// leave takes w out and wakes the next if there is more to find, or if w was told of something that it has not looked for.
func (l *lines) leave(queue string, w *waiter, more bool) {
	l.mu.Lock()
	l.drop(queue, w)
	l.mu.Unlock()
	select {
	case <-w.woken:
		more = true
	default:
	}
	if more {
		l.wake(queue)
	}
}

func (l *lines) drop(queue string, w *waiter) {
	list := l.byQueue[queue]
	i := slices.Index(list, w)
	if i < 0 {
		return
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(l.byQueue, queue)
	} else {
		l.byQueue[queue] = list
	}
}

// wake tells the first in line to look.
func (l *lines) wake(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.byQueue[queue]
	if len(list) == 0 {
		return
	}
	w := list[0]
	l.drop(queue, w)
	w.woken <- struct{}{}
}

// wakeAll tells everybody, for when the queue is gone.
func (l *lines) wakeAll(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.byQueue[queue] {
		w.woken <- struct{}{}
	}
	delete(l.byQueue, queue)
}

// wait returns true when it is time to look again: w was woken, and stands in line again, or d is over. It returns false when
// ctx or stop is done.
func (w *waiter) wait(ctx, stop context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.woken:
		w.lines.mu.Lock()
		w.lines.byQueue[w.queue] = append(w.lines.byQueue[w.queue], w)
		w.lines.mu.Unlock()
		return true
	case <-t.C:
		return ctx.Err() == nil && stop.Err() == nil
	case <-ctx.Done():
	case <-stop.Done():
	}
	return false
}
