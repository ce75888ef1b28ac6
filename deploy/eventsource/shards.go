package eventsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// feedRun is one Run of a FeedMapping. It finds the shards and starts a reader
// for each whose parent is finished.
type feedRun struct {
	FeedMapping
	invoker *invoker
	leases  Leases        // nil if the checkpoints have none
	wake    chan struct{} // a shard has ended: its children can be read

	mu       sync.Mutex
	active   map[string]bool // shards that are being read
	finished map[string]bool // shards that were read to their end
	left     []string        // sequence numbers of records in invocations that were running at the drain limit
	unsaved  []error         // checkpoints that could not be stored at the end
}

func (r *feedRun) run(ctx context.Context) error {
	ctx, work, stop := drainable(ctx, r.DrainLimit)
	defer stop()
	var shards sync.WaitGroup
	failures := 0
	for ctx.Err() == nil {
		wait := shardRefresh
		if err := r.startShards(ctx, work, &shards); err != nil && ctx.Err() == nil {
			failures++
			r.Logger.ErrorContext(ctx, "find the shards", "error", err, "failures", failures)
			wait = r.Backoff(failures)
		} else {
			failures = 0
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-r.wake:
		case <-ctx.Done():
		}
		t.Stop()
	}
	shards.Wait()
	problems := r.unsaved
	if len(r.left) > 0 {
		problems = append(problems, &LeftError{Source: r.Feed.ARN(), After: r.DrainLimit, IDs: r.left})
	}
	return errors.Join(problems...)
}

// startShards starts a reader for each shard that is not being read and whose
// parent is finished or gone.
func (r *feedRun) startShards(ctx, work context.Context, wg *sync.WaitGroup) error {
	shards, err := r.Feed.Shards(ctx)
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(shards))
	for _, s := range shards {
		listed[s.ID] = true
	}
	r.forgetFinished(listed)
	if r.leases != nil && r.invoker.stalledFor() > 0 {
		return nil // another copy can process the shard sooner
	}
	// A parent whose checkpoint is ShardEnd makes its children ready, so they
	// are considered once more.
	var errs []error
	for more := true; more; {
		more = false
		errs = nil
		for _, s := range shards {
			if !r.mayStart(s, listed) {
				continue
			}
			after, err := r.Checkpoints.Load(ctx, s.ID)
			if errors.Is(err, ErrLeased) {
				continue
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("load the checkpoint of shard %q: %w", s.ID, err))
				continue
			}
			if after == ShardEnd {
				r.setFinished(s.ID)
				more = true
				continue
			}
			r.setActive(s.ID, true)
			wg.Go(func() { r.readShard(ctx, work, s, after) })
		}
	}
	return errors.Join(errs...)
}

func (r *feedRun) readShard(ctx, work context.Context, s Shard, after string) {
	ended := newShardReader(r, s, after).run(ctx, work)
	r.setActive(s.ID, false)
	if ended {
		r.setFinished(s.ID)
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *feedRun) mayStart(s Shard, listed map[string]bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active[s.ID] || r.finished[s.ID] {
		return false
	}
	// A parent that is no longer listed may still be read by this mapping.
	return s.Parent == "" || r.finished[s.Parent] || !listed[s.Parent] && !r.active[s.Parent]
}

func (r *feedRun) setActive(shard string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.active[shard] = true
	} else {
		delete(r.active, shard)
	}
}

func (r *feedRun) setFinished(shard string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished[shard] = true
}

// forgetFinished forgets the finished shards that the feed no longer lists, so
// that the map does not grow with the age of the run.
func (r *feedRun) forgetFinished(listed map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.finished, func(id string, _ bool) bool { return !listed[id] })
}

func (r *feedRun) addLeft(records []FeedRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range records {
		r.left = append(r.left, rec.Sequence)
	}
}

func (r *feedRun) addUnsaved(shard, after string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved = append(r.unsaved, fmt.Errorf("drain %q: checkpoint %q of shard %q is not saved, the records up to it will be delivered again: %w",
		r.Feed.ARN(), after, shard, err))
}
