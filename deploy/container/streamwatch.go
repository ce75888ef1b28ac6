package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// streamWatchInterval is how often a copy requests its table's stream ARN.
const streamWatchInterval = time.Minute

// streamWatch notices that a table has a new stream. A stream that was disabled
// and enabled again has a new ARN; the old one stays readable for a day and
// receives nothing. Its last records are read first, so that a new stream
// counts as a problem only when it was seen twice.
type streamWatch struct {
	function string
	arn      string
	current  func(ctx context.Context) (string, error)
	log      *slog.Logger

	mu    sync.Mutex
	found string // another ARN
	times int    // in a row
}

// run watches until ctx ends. A failed request changes nothing.
func (w *streamWatch) run(ctx context.Context) {
	t := time.NewTicker(streamWatchInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		arn, err := w.current(ctx)
		if err != nil {
			w.log.WarnContext(ctx, "request the table's stream", "error", err)
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

// problem is a health check.
func (w *streamWatch) problem() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.times < 2 {
		return ""
	}
	return fmt.Sprintf("%s: the table has a new stream, %q, and this process reads the old one: restart it", w.function, w.found)
}
