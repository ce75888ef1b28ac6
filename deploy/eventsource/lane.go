package eventsource

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
)

// lane runs the batches of its share of a shard's keys, one after the other.
type lane struct {
	*shardReader

	mu      sync.Mutex
	waiting []tracked
	closed  bool
	changed broadcast.Signal // waiting or closed changed
}

func newLane(sr *shardReader) *lane { return &lane{shardReader: sr} }

func (l *lane) add(t tracked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, t)
	l.changed.Broadcast()
}

// close says that no more records come.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
}

// run processes batches until the lane is closed and empty, or ctx ends. It stops the shard when the lease is lost.
func (l *lane) run(ctx, work context.Context, stop context.CancelFunc) {
	for {
		batch := l.gather(ctx)
		if len(batch) == 0 {
			return
		}
		if !l.process(ctx, work, batch, 0) {
			stop()
			return
		}
	}
}

// gather waits for records and returns the next batch: up to BatchSize, up to the payload limit, or what came within
// the window. It returns nothing when ctx ended, or when the lane is closed and empty.
func (l *lane) gather(ctx context.Context) []tracked {
	var end *time.Timer
	over := false
	for {
		l.mu.Lock()
		n := min(len(l.waiting), l.BatchSize)
		fit := fitting(l.waiting[:n], tracked.size)
		full := n > 0 && (n == l.BatchSize || fit < n || over || l.closed || l.Window == 0)
		if full && ctx.Err() == nil {
			batch := slices.Clone(l.waiting[:min(fit, n)])
			l.waiting = l.waiting[min(fit, n):]
			l.mu.Unlock()
			return batch
		}
		empty, closed, changed := n == 0, l.closed, l.changed.Next()
		l.mu.Unlock()
		if ctx.Err() != nil || (empty && closed) {
			return nil
		}
		var ended <-chan time.Time
		if !empty {
			if end == nil {
				end = time.NewTimer(l.Window)
				defer end.Stop()
			}
			ended = end.C
		}
		select {
		case <-changed:
		case <-ended:
			over = true
		case <-ctx.Done():
		}
	}
}

// process brings a batch to its end: done, or given up. attempts is how often it was tried before. It returns false when
// ctx ended or the lease was lost or wanted first; what is not done then is read again from the checkpoint.
func (l *lane) process(ctx, work context.Context, batch []tracked, attempts int) bool {
	for failures := 1; len(batch) > 0; failures++ {
		if !l.mayGoOn() {
			return false
		}
		var ok bool
		if batch, ok = l.giveUpOld(ctx, work, batch, attempts); !ok || len(batch) == 0 {
			return ok
		}
		if ctx.Err() != nil || !l.invoker.admit(ctx) || !l.mayGoOn() {
			return false
		}
		out := l.invoker.call(work, event(batch, func(t tracked) []byte { return t.JSON }))
		if errors.Is(out.err, errDrained) {
			if out.running {
				l.addLeft(records(batch))
			}
			return false
		}
		attempts++
		at, failed := l.lowestFailure(ctx, batch, out)
		if !failed {
			return l.done(work, batch)
		}
		if at > 0 {
			// Everything before the lowest failure is done. What follows was tried once: it counts as a new batch.
			if !l.done(work, batch[:at]) {
				return false
			}
			batch, attempts, failures = batch[at:], 1, 1
			if l.Bisect {
				// The batch is split at the failure: the rest is tried again at no cost.
				attempts, failures = 0, 0
				continue
			}
		} else if l.Bisect && len(batch) > 1 {
			attempts-- // splitting does not use up attempts
			half := len(batch) / 2
			return l.process(ctx, work, batch[:half], attempts) && l.process(ctx, work, batch[half:], attempts)
		}
		if l.MaxAttempts > 0 && attempts >= l.MaxAttempts {
			return l.giveUp(ctx, work, batch, RetryAttemptsExhausted, attempts, out)
		}
		if !sleep(ctx, l.Backoff(failures)) {
			return false
		}
	}
	return true
}

// lowestFailure returns where the batch must be tried again from: 0 for all of it.
func (l *lane) lowestFailure(ctx context.Context, batch []tracked, out result) (at int, failed bool) {
	if out.err != nil {
		l.invoker.logFailure(ctx, out, len(batch))
		return 0, true
	}
	if !l.ReportBatchItemFailures {
		return 0, false
	}
	ids := make([]string, len(batch))
	for i, t := range batch {
		ids[i] = t.Sequence
	}
	v := readAnswer(out.answer, ids)
	if v.whole != nil {
		l.Logger.ErrorContext(ctx, "the answer fails its whole batch", "requestId", out.requestID, "error", v.whole, "records", len(batch))
		return 0, true
	}
	if len(v.failed) == 0 {
		return 0, false
	}
	at = len(batch)
	for i := range v.failed {
		at = min(at, i)
	}
	return at, true
}

func records(batch []tracked) []FeedRecord {
	rs := make([]FeedRecord, len(batch))
	for i, t := range batch {
		rs[i] = t.FeedRecord
	}
	return rs
}
