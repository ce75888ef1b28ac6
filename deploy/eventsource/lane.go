package eventsource

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"sluice/deploy/internal/broadcast"
)

// lane runs the batches of some of a shard's keys, one after the other.
type lane struct {
	*shardReader

	mu      sync.Mutex
	waiting []tracked
	closed  bool
	changed broadcast.Signal // waiting or closed has changed
}

func newLane(sr *shardReader) *lane { return &lane{shardReader: sr} }

func (l *lane) add(t tracked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, t)
	l.changed.Broadcast()
}

// close ends the lane after the records that it has.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
}

// run processes batches until the lane is closed and empty, or ctx ends. It
// stops the shard if the lease is lost.
func (l *lane) run(ctx, work context.Context, stop context.CancelFunc) {
	for {
		batch := l.next(ctx)
		if len(batch) == 0 {
			return
		}
		if !l.process(ctx, work, batch, 0, result{}) {
			stop()
			return
		}
	}
}

// next waits for records and returns the next batch: the waiting records, up to
// BatchSize and the payload limit. It returns nil if ctx has ended, or if the
// lane is closed and empty.
func (l *lane) next(ctx context.Context) []tracked {
	for {
		l.mu.Lock()
		if n := min(len(l.waiting), l.BatchSize); n > 0 && ctx.Err() == nil {
			n = fitting(l.waiting[:n], tracked.size)
			batch := slices.Clone(l.waiting[:n])
			l.waiting = l.waiting[n:]
			l.mu.Unlock()
			return batch
		}
		closed, changed := l.closed, l.changed.Next()
		l.mu.Unlock()
		if closed || ctx.Err() != nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// process invokes the function with a batch until its records are done or given
// up. attempts is how often it was tried before, and last the result of the
// last attempt. It returns false if ctx ended, if the lease was lost or if
// another copy waits for the shard; records that are not done then are read
// again from the checkpoint.
func (l *lane) process(ctx, work context.Context, batch []tracked, attempts int, last result) bool {
	for failures := 1; len(batch) > 0; failures++ {
		if !l.mayRead() {
			return false
		}
		var ok bool
		if batch, ok = l.giveUpOld(ctx, work, batch, attempts, last); !ok || len(batch) == 0 {
			return ok
		}
		if ctx.Err() != nil || !l.invoker.admit(ctx) || !l.mayRead() {
			return false
		}
		out := l.invoker.invoke(work, event(batch, func(t tracked) []byte { return t.JSON }))
		if errors.Is(out.err, errDrained) {
			if out.running {
				l.addLeft(records(batch))
			}
			return false
		}
		attempts, last = attempts+1, out
		at, failed := l.lowestFailure(ctx, batch, out)
		if !failed {
			return l.done(work, batch)
		}
		if at > 0 {
			// The records before the lowest failure are done. The others were
			// tried once and become a new batch.
			if !l.done(work, batch[:at]) {
				return false
			}
			batch, attempts, failures = batch[at:], 1, 1
			if l.Bisect {
				// The batch is split at the failure, which does not count as an
				// attempt and needs no wait.
				attempts, failures = 0, 0
				continue
			}
		} else if l.Bisect && len(batch) > 1 {
			attempts-- // splitting does not count as an attempt
			half := len(batch) / 2
			return l.process(ctx, work, batch[:half], attempts, last) && l.process(ctx, work, batch[half:], attempts, last)
		}
		if !sleep(ctx, l.Backoff(failures)) {
			return false
		}
	}
	return true
}

// lowestFailure returns the position from which the batch must be retried: 0
// for the whole batch.
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
	o := readResponse(out.response, ids)
	if o.err != nil {
		l.Logger.ErrorContext(ctx, "the response fails the whole batch", "requestId", out.requestID, "error", o.err, "records", len(batch))
		return 0, true
	}
	if len(o.failed) == 0 {
		return 0, false
	}
	return slices.Min(slices.Collect(maps.Keys(o.failed))), true
}

func records(batch []tracked) []FeedRecord {
	rs := make([]FeedRecord, len(batch))
	for i, t := range batch {
		rs[i] = t.FeedRecord
	}
	return rs
}
