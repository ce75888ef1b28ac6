package eventsource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// feedRun is one run of a FeedMapping: it finds the shards and starts a reader for each whose parent is finished.
type feedRun struct {
	FeedMapping
	filters filters
	invoker *invoker
	leases  Leases        // nil where the checkpoints have none
	wake    chan struct{} // a shard ended: look for its children at once

	mu       sync.Mutex
	active   map[string]bool // shards that are read now
	finished map[string]bool // shards that were read to their end
	left     []string        // sequence numbers of records in invocations that still ran at the drain limit
	unsaved  []error         // checkpoints that could not be stored at the end
}

func (r *feedRun) run(ctx context.Context) error {
	ctx, work, stop := drainable(ctx, r.DrainLimit)
	defer stop()
	var shards sync.WaitGroup
	failures := 0
	for marked := r.StartingPosition == TrimHorizon; ctx.Err() == nil; {
		wait := shardRefresh
		var err error
		if !marked {
			err = r.markLatest(ctx)
			marked = err == nil
		}
		if err == nil {
			err = r.startShards(ctx, work, &shards)
		}
		if err != nil && ctx.Err() == nil {
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

// markLatest writes the checkpoint Latest for every shard on the very first run, so that a shard that appears later, or one
// that is empty until a restart, is not mistaken for the other.
func (r *feedRun) markLatest(ctx context.Context) error {
	shards, err := r.Feed.Shards(ctx)
	if err != nil {
		return err
	}
	for _, s := range shards {
		after, err := r.Checkpoints.Load(ctx, s.ID)
		if errors.Is(err, ErrLeased) || after != "" {
			return nil // not the first run
		}
		if err != nil {
			return err
		}
	}
	for _, s := range shards {
		if err := r.Checkpoints.Save(ctx, s.ID, Latest); err != nil {
			return err
		}
	}
	return nil
}

// startShards starts a reader for each shard that may be read: not read yet, and its parent finished or gone.
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
		return nil // others can do more for a shard
	}
	// A parent that turns out to be finished frees its children in the same look.
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
	// A parent that fell off the listing may still be in hand here.
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

// forgetFinished drops what the feed no longer lists, so that a long run does not grow.
func (r *feedRun) forgetFinished(listed map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.finished {
		if !listed[id] {
			delete(r.finished, id)
		}
	}
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
	r.unsaved = append(r.unsaved, fmt.Errorf("drain %q: checkpoint %q of shard %q is not saved, what is done up to it comes again: %w",
		r.Feed.ARN(), after, shard, err))
}
