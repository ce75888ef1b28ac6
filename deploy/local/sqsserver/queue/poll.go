package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/store"
)

// maxInFlight is the number of messages of a queue that may be in flight. Beyond
// it a short poll is refused and a long poll finds nothing.
const maxInFlight = 120_000

// receive receives up to r.max messages, and waits for the first one if it may.
func (s *Service) receive(ctx context.Context, name string, r receiveOptions) ([]delivered, error) {
	look, err := s.peek(name)
	if err != nil {
		return nil, err
	}
	wait := look.wait
	if r.wait != nil {
		wait = *r.wait
	}
	if wait == 0 {
		if look.full {
			return nil, sqserr.New("OverLimit", "OverLimit", "Too many messages in flight: the limit of the queue is %d.", s.maxInFlight)
		}
		if !look.ready {
			return nil, nil
		}
		got, more, err := s.receiveNow(ctx, name, r)
		for more && len(got) == 0 && err == nil && ctx.Err() == nil { // it only removed or moved messages
			got, more, err = s.receiveNow(ctx, name, r)
		}
		if more {
			s.waiters.wake(name)
		}
		return got, err
	}
	w := s.waiters.join(name)
	more := true
	defer func() { s.waiters.leave(w, more) }()
	deadline := s.nowMillis() + wait
	for {
		more = true // until the queue was read
		if look, err = s.peek(name); err != nil {
			return nil, err
		}
		more = look.ready
		if look.ready {
			var got []delivered
			if got, more, err = s.receiveNow(ctx, name, r); err != nil || len(got) > 0 {
				return got, err
			}
		}
		now := s.nowMillis()
		if now >= deadline {
			return nil, nil
		}
		until := deadline
		if look.next > now && look.next < until {
			until = look.next
		}
		if look.ready { // other receives were faster: look again at once
			until = now
		}
		if !w.wait(ctx, s.stop, time.Duration(until-now)*time.Millisecond) {
			return nil, nil
		}
	}
}

// peeked is what peek has seen.
type peeked struct {
	ready bool  // a receive may find a message
	full  bool  // too many messages are in flight for another receive
	next  int64 // when the next waiting message becomes ready, 0 if none waits
	wait  int64 // the queue's own wait
}

// peek reads whether a receive is worth a writing transaction, so that idle polls
// cost no fsync.
func (s *Service) peek(name string) (p peeked, err error) {
	err = s.view(name, func(q *queue) error {
		p.wait = q.conf.Wait
		if tk, _ := q.waiting().Cursor().First(); tk != nil {
			p.next, _ = splitTimeKey(tk)
			p.ready = p.next <= q.now
		}
		if q.n.inFlight >= s.maxInFlight && !p.ready {
			p.full = true
			return nil
		}
		p.ready = p.ready || q.firstReady() != nil
		return nil
	})
	return p, err
}

// errNothing ends a receive that found nothing and changed nothing.
var errNothing = errors.New("nothing to receive")

// receiveNow receives without waiting, in a bounded transaction. If it returns no
// messages and more, it has removed or moved messages and should be called again.
// more reports that messages remain for another receive; it is true too where
// that is unknown.
func (s *Service) receiveNow(ctx context.Context, name string, r receiveOptions) (got []delivered, more bool, err error) {
	err = s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		got, more = nil, true
		q, err := s.open(tx, name)
		if err != nil {
			return store.Unchanged(err)
		}
		if got, err = q.deliver(r); err != nil {
			return err
		}
		more = q.firstReady() != nil
		if !q.changed {
			return store.Unchanged(errNothing)
		}
		return q.save()
	})
	if errors.Is(err, errNothing) { // messages that remain cannot be received now: too many are in flight
		return nil, false, nil
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, true, nil
	}
	return got, more || err != nil, err
}

// waiters are the receives that wait for a message, in the order in which they
// came. A change wakes only the first; when that one leaves and messages remain,
// it wakes the next. So no message stays unseen, and no receive runs in vain as
// it would after a broadcast. The zero value is ready to use.
type waiters struct {
	mu      sync.Mutex
	byQueue map[string][]*waiter
}

// waiter is one receive that waits. It is in the list unless it was woken.
type waiter struct {
	woken chan struct{} // has room for one
	list  *waiters
	queue string
}

func (l *waiters) join(queue string) *waiter {
	w := &waiter{woken: make(chan struct{}, 1), list: l, queue: queue}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(w)
	return w
}

func (l *waiters) add(w *waiter) {
	if l.byQueue == nil {
		l.byQueue = map[string][]*waiter{}
	}
	l.byQueue[w.queue] = append(l.byQueue[w.queue], w)
}

// leave removes w. It wakes the next waiter if more is true, or if w was woken
// and has not looked since.
func (l *waiters) leave(w *waiter, more bool) {
	l.mu.Lock()
	l.drop(w)
	l.mu.Unlock()
	select {
	case <-w.woken:
		more = true
	default:
	}
	if more {
		l.wake(w.queue)
	}
}

func (l *waiters) drop(w *waiter) {
	list := l.byQueue[w.queue]
	i := slices.Index(list, w)
	if i < 0 {
		return
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(l.byQueue, w.queue)
	} else {
		l.byQueue[w.queue] = list
	}
}

// wake wakes the waiter that came first.
func (l *waiters) wake(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.byQueue[queue]
	if len(list) == 0 {
		return
	}
	w := list[0]
	l.drop(w)
	w.woken <- struct{}{}
}

// wakeAll wakes every waiter of a queue that was deleted.
func (l *waiters) wakeAll(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.byQueue[queue] {
		w.woken <- struct{}{}
	}
	delete(l.byQueue, queue)
}

// wait returns true when w must look again: it was woken, and has joined the
// waiters again, or d is over. It returns false when ctx or stop is done.
func (w *waiter) wait(ctx, stop context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.woken:
		w.list.mu.Lock()
		defer w.list.mu.Unlock()
		w.list.add(w)
		return true
	case <-t.C:
		return ctx.Err() == nil && stop.Err() == nil
	case <-ctx.Done():
	case <-stop.Done():
	}
	return false
}
