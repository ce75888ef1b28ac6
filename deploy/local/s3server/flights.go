package s3server

import (
	"context"
	"sync"
)

// flights let one completion of an upload run at a time. Putting parts together takes long, and a client whose patience ends
// before that asks again: it must find the work done, not begin it once more.
type flights struct {
	mu sync.Mutex
	of map[string]chan struct{} // by upload id; closed at the end
}

// enter waits until no other completion of the upload runs, and keeps others out until leave is called. It returns ctx's error
// if that ends first.
func (f *flights) enter(ctx context.Context, id string, waits func()) (leave func(), err error) {
	for {
		f.mu.Lock()
		other, busy := f.of[id]
		if !busy {
			mine := make(chan struct{})
			if f.of == nil {
				f.of = make(map[string]chan struct{})
			}
			f.of[id] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				delete(f.of, id)
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		waits()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
