package eventsource

import (
	"context"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
)

// Backoff returns how long to wait after n failures in a row; n starts at 1.
type Backoff func(n int) time.Duration

const (
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

// defaultBackoff doubles from 200 ms to 30 s.
func defaultBackoff(n int) time.Duration {
	if n > 8 {
		return lastBackoff
	}
	return min(firstBackoff<<max(n-1, 0), lastBackoff)
}

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// slowdown pauses polling after function errors. An error after a pause doubles
// the next pause, and a successful invocation ends it. Errors during a pause,
// of invocations that were already running, do not extend it.
type slowdown struct {
	backoff Backoff

	mu        sync.Mutex
	failures  int
	notBefore time.Time
	ended     broadcast.Signal // a successful invocation ended the pause
}

func (s *slowdown) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !now.Before(s.notBefore) {
		s.failures++
		s.notBefore = now.Add(s.backoff(s.failures))
	}
}

func (s *slowdown) worked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 {
		s.failures, s.notBefore = 0, time.Time{}
		s.ended.Broadcast()
	}
}

// wait waits until polling may continue. It returns false if ctx ends first.
func (s *slowdown) wait(ctx context.Context) bool {
	for {
		s.mu.Lock()
		d, ended := time.Until(s.notBefore), s.ended.Next()
		s.mu.Unlock()
		if d <= 0 {
			return ctx.Err() == nil
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ended:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}
