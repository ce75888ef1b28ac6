package eventsource

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
)

// shardReader reads one shard in order and distributes its records to lanes. A
// key always belongs to the same lane, and a lane runs one batch at a time,
// which keeps the order of each key. The checkpoint is where all lanes are
// done.
//
// A lane that retries a record does not block the other lanes until its own
// records exhaust what may be read ahead: twice the batches that can run,
// readAheadBytes, or maxPending records after the first that is not done.
type shardReader struct {
	*feedRun
	shard Shard
	lanes []*lane

	mu       sync.Mutex
	progress progress
	position string // sequence number after which to read on
	saved    string // the checkpoint that was stored last
	held     int    // records that were read and are not done
	heldSize int
	room     broadcast.Signal // held has decreased
	saveMu   sync.Mutex       // serializes saves, so that an older checkpoint does not overwrite a newer one
}

const (
	readAheadBytes = 4 * MaxPayloadBytes
	maxPending     = 100_000
)

func newShardReader(r *feedRun, s Shard, after string) *shardReader {
	sr := &shardReader{feedRun: r, shard: s, position: after, saved: after}
	for range r.ParallelizationFactor {
		sr.lanes = append(sr.lanes, newLane(sr))
	}
	return sr
}

// readAhead is the number of records that may be read and not done.
func (sr *shardReader) readAhead() int { return 2 * sr.BatchSize * len(sr.lanes) }

// run reads until the end of the shard, until ctx ends, or until the lease is
// lost or another copy waits for the shard. It returns true if the shard is
// finished and its checkpoint says so.
func (sr *shardReader) run(run, work context.Context) bool {
	ctx, stop := context.WithCancel(run)
	defer stop()
	go sr.watchLease(ctx, stop)
	var lanes sync.WaitGroup
	for _, l := range sr.lanes {
		lanes.Go(func() { l.run(ctx, work, stop) })
	}
	ended := sr.read(ctx)
	if !ended {
		stop() // the lanes too
	}
	for _, l := range sr.lanes {
		l.close()
	}
	lanes.Wait()
	// The last save may have failed. While the mapping continues, it reads the
	// unsaved records again.
	if after, err := sr.store(work); err != nil && !errors.Is(err, ErrLeaseLost) && draining(work) {
		sr.addUnsaved(sr.shard.ID, after, err)
	}
	if !ended || ctx.Err() != nil {
		if !draining(work) {
			sr.release(run, work)
		}
		return false
	}
	for failures := 1; ; failures++ {
		err := sr.Checkpoints.Save(ctx, sr.shard.ID, ShardEnd)
		if err == nil {
			return true
		}
		sr.Logger.ErrorContext(ctx, "save checkpoint", "shard", sr.shard.ID, "error", err)
		if errors.Is(err, ErrLeaseLost) || !sleep(ctx, sr.Backoff(failures)) {
			return false
		}
	}
}

// read distributes records to the lanes. It returns true at the end of the
// shard.
func (sr *shardReader) read(ctx context.Context) (ended bool) {
	failures := 0
	for sr.waitForRoom(ctx) && sr.mayRead() {
		page, err := sr.Feed.Read(ctx, sr.shard.ID, sr.position, sr.BatchSize)
		switch {
		case ctx.Err() != nil:
			return false
		case errors.Is(err, ErrTrimmed) && sr.position != "":
			sr.Logger.ErrorContext(ctx, "records were lost: the feed trimmed them before they were read",
				"shard", sr.shard.ID, "after", sr.position, "error", err)
			sr.position = ""
			continue
		case errors.Is(err, ErrTrimmed):
			sr.Logger.ErrorContext(ctx, "a shard is gone: its records were lost", "shard", sr.shard.ID, "error", err)
			return true
		case err != nil:
			failures++
			sr.Logger.ErrorContext(ctx, "read failed", "shard", sr.shard.ID, "after", sr.position, "error", err, "failures", failures)
			if !sleep(ctx, sr.Backoff(failures)) {
				return false
			}
			continue
		}
		failures = 0
		sr.distribute(page.Records)
		if page.End {
			return true
		}
	}
	return false
}

// distribute adds records to the lanes of their keys.
func (sr *shardReader) distribute(records []FeedRecord) {
	for _, r := range records {
		sr.position = r.Sequence
		sr.mu.Lock()
		t := sr.progress.add(r)
		sr.held++
		sr.heldSize += r.size()
		sr.mu.Unlock()
		sr.lanes[laneIndex(r.Key, len(sr.lanes))].add(t)
	}
}

// laneIndex returns which of n lanes a key belongs to.
func laneIndex(key string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % uint32(n))
}

func (sr *shardReader) waitForRoom(ctx context.Context) bool {
	for {
		sr.mu.Lock()
		free := sr.held < sr.readAhead() && sr.heldSize < readAheadBytes && len(sr.progress.pending) < maxPending
		room := sr.room.Next()
		sr.mu.Unlock()
		if free {
			return ctx.Err() == nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

// done marks records as done and moves the checkpoint. It returns false if the
// lease is lost.
func (sr *shardReader) done(ctx context.Context, records []tracked) bool {
	if len(records) == 0 {
		return true
	}
	sr.mu.Lock()
	moved := sr.progress.finish(records)
	for _, r := range records {
		sr.held--
		sr.heldSize -= r.size()
	}
	sr.room.Broadcast()
	sr.mu.Unlock()
	return !moved || sr.save(ctx)
}

// save stores the position up to which all records are done. It returns false
// if the lease is lost. After any other error the next save tries again.
func (sr *shardReader) save(ctx context.Context) bool {
	_, err := sr.store(ctx)
	return !errors.Is(err, ErrLeaseLost)
}

// store stores the position up to which all records are done, also while the
// mapping drains, and returns it.
func (sr *shardReader) store(ctx context.Context) (after string, err error) {
	sr.saveMu.Lock()
	defer sr.saveMu.Unlock()
	sr.mu.Lock()
	after = sr.progress.done
	sr.mu.Unlock()
	if after == "" || after == sr.saved {
		return after, nil
	}
	ctx, cancel := context.WithTimeout(settling(ctx), settleTimeout)
	defer cancel()
	if err := sr.Checkpoints.Save(ctx, sr.shard.ID, after); err != nil {
		sr.Logger.ErrorContext(ctx, "save checkpoint", "shard", sr.shard.ID, "after", after, "error", err)
		return after, err
	}
	sr.saved = after
	return after, nil
}

// tooOld reports whether a record is older than MaxRecordAge.
func (sr *shardReader) tooOld(r tracked) bool {
	return sr.MaxRecordAge > 0 && !r.At.IsZero() && time.Since(r.At) > sr.MaxRecordAge
}
