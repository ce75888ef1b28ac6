package objectstore

import (
	"context"
	"sync"
)

// completions lets one completion of an upload run at a time. Assembling the parts
// takes long, and a client that times out repeats the request: the repetition must
// find the upload completed and not start over. The zero value is ready to use.
type completions struct {
	mu      sync.Mutex
	running map[string]chan struct{} // by upload id; closed at the end
}

// enter waits until no other completion of the upload runs, and blocks others until
// leave is called. It calls waits before each wait. It returns the error of ctx if
// ctx ends first.
func (c *completions) enter(ctx context.Context, id string, waits func()) (leave func(), err error) {
	for {
		c.mu.Lock()
		other, busy := c.running[id]
		if !busy {
			done := make(chan struct{})
			if c.running == nil {
				c.running = make(map[string]chan struct{})
			}
			c.running[id] = done
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				delete(c.running, id)
				close(done)
			}, nil
		}
		c.mu.Unlock()
		waits()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
