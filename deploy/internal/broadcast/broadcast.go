// Package broadcast wakes every goroutine that waits for a change.
package broadcast

import "sync"

// Signal wakes all of its waiters at once, as [sync.Cond] does, through a
// channel that fits in a select. A waiter calls Next before it looks at the
// state that it waits on, so that a change in between is not missed:
//
//	for {
//		changed := s.Next()
//		if ready() {
//			return
//		}
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			return
//		}
//	}
//
// The zero value is ready to use. A Signal must not be copied after first use.
// It is safe for concurrent use.
type Signal struct {
	mu   sync.Mutex
	next chan struct{} // nil while nobody waits
}

// Next returns a channel that is closed by the next Broadcast.
func (s *Signal) Next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return s.next
}

// Broadcast closes the channels that Next has returned.
func (s *Signal) Broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}
