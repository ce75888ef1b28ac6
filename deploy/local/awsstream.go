package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// streamLook is how often a copy asks which stream its table has.
const streamLook = time.Minute

// streamWatch notices that a table has another stream than the one that is read:
// a stream that was disabled and enabled again has a new ARN, and the old one goes
// on being readable, and empty, for a day. What stands in the old one is read
// first, so that is a problem only when it was seen twice.
type streamWatch struct {
	arn     string
	current func(ctx context.Context) (string, error)
	log     *slog.Logger

	mu    sync.Mutex
	found string // another ARN
	times int    // how often it was found in a row
}

// run looks until ctx ends. A look that fails tells nothing.
func (w *streamWatch) run(ctx context.Context) {
	t := time.NewTicker(streamLook)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		arn, err := w.current(ctx)
		if err != nil {
			w.log.WarnContext(ctx, "ask for the table's stream", "error", err)
			continue
		}
		w.mu.Lock()
		if arn == w.arn {
			w.found, w.times = "", 0
		} else {
			w.found = arn
			w.times++
		}
		w.mu.Unlock()
	}
}

func (w *streamWatch) problem() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.times < 2 {
		return ""
	}
	return fmt.Sprintf("%s: the table has a new stream, %q, and this process reads the old one: start it again", functionChanges, w.found)
}
