package eventsource

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
)

// shardReader reads one shard in order and hands its records to lanes. A key always goes to the same lane, and a lane runs
// one batch at a time: that keeps the order of each key. The checkpoint stands where all lanes are done.
//
// A lane that is stuck on a poison record does not hold up the others until its own records fill the bound on what is read
// and not done: twice the batches that can run, readAheadBytes, or maxPending records behind the first that is not done.
type shardReader struct {
	*feedRun
	shard Shard
	lanes []*lane

	mu       sync.Mutex
	progress progress
	position string // where to read on
	saved    string // the checkpoint that was stored last
	held     int    // records that were read and are not done
	heldSize int
	room     broadcast.Signal // held went down
	saveMu   sync.Mutex       // one save at a time, so that an older checkpoint cannot land on a newer
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

// readAhead is how many records may be read and not done.
func (sr *shardReader) readAhead() int { return 2 * sr.BatchSize * len(sr.lanes) }

// run reads until the shard's end, until ctx ends, or the lease is lost or wanted by another copy. It returns true when the
// shard is finished and that is stored.
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
	// In case the last one failed. What is missing while the mapping goes on, it reads again.
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

// read fills the lanes. It returns true at the shard's end.
func (sr *shardReader) read(ctx context.Context) (ended bool) {
	failures := 0
	for sr.waitForRoom(ctx) && sr.mayGoOn() {
		page, err := sr.Feed.Read(ctx, sr.shard.ID, sr.position, sr.BatchSize)
		switch {
		case ctx.Err() != nil:
			return false
		case errors.Is(err, ErrTrimmed) && sr.position != "":
			sr.Logger.ErrorContext(ctx, "records were lost: they fell off the feed's retention before they were read",
				"shard", sr.shard.ID, "after", sr.position, "error", err)
			sr.position = ""
			continue
		case errors.Is(err, ErrTrimmed):
			sr.Logger.ErrorContext(ctx, "a shard is gone: what it held was lost", "shard", sr.shard.ID, "error", err)
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
		if !sr.take(ctx, page) {
			return false
		}
		if page.End {
			return true
		}
	}
	return false
}

// take hands a page to the lanes. Records that no filter lets pass are done at once. It returns false when the lease is lost.
func (sr *shardReader) take(ctx context.Context, page Page) bool {
	if len(page.Records) == 0 {
		if page.After != "" && page.After != sr.position {
			sr.position = page.After
			sr.mu.Lock()
			if len(sr.progress.pending) == 0 {
				sr.progress.done = page.After
			}
			sr.mu.Unlock()
			return sr.save(ctx)
		}
		return true
	}
	sr.position = page.Records[len(page.Records)-1].Sequence
	var dropped []tracked
	for _, r := range page.Records {
		sr.mu.Lock()
		t := sr.progress.add(r)
		sr.held++
		sr.heldSize += r.size()
		sr.mu.Unlock()
		if sr.filters.matchRecord(r.JSON) {
			sr.lanes[laneIndex(r.Key, len(sr.lanes))].add(t)
		} else {
			dropped = append(dropped, t)
		}
	}
	return sr.done(ctx, dropped)
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

// done notes records as done and moves the checkpoint. It returns false when the lease is lost.
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

// save stores the position up to which all is done. It returns false when the lease is lost; after any other error the next
// save tries again.
func (sr *shardReader) save(ctx context.Context) bool {
	_, err := sr.store(ctx)
	return !errors.Is(err, ErrLeaseLost)
}

// store stores the position up to which all is done, also while the mapping drains, and returns it.
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

// tooOld says whether a record is over the MaxRecordAge.
func (sr *shardReader) tooOld(r tracked) bool {
	return sr.MaxRecordAge > 0 && !r.At.IsZero() && time.Since(r.At) > sr.MaxRecordAge
}
