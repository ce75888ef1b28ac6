package leases

import (
	"context"
	"errors"
	"maps"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// cleanUp keeps the table small and the items of this copy from expiring.
func (c *Checkpoints) cleanUp(ctx context.Context) error {
	c.refresh(ctx)
	c.removeDead(ctx)
	return c.archive(ctx)
}

// refresh writes leases that have not changed for long, so that their items do
// not expire.
func (c *Checkpoints) refresh(ctx context.Context) {
	for _, h := range c.held() {
		if !h.writing.TryAcquire(1) {
			continue // it is being written
		}
		c.mu.Lock()
		after, due := h.after, !h.gone && c.now().Sub(h.written) > retention/7
		c.mu.Unlock()
		if due {
			if err := c.write(ctx, h, lease{Owner: c.owner, Term: h.term, Checkpoint: after}); err != nil {
				c.log.WarnContext(ctx, "refresh a lease", "shard", h.shard, "error", err)
			}
		}
		h.writing.Release(1)
	}
}

// removeDead removes the heartbeats of copies that have been dead for long. If
// such a copy owns a shard that no copy has taken, it counts as dead without
// one.
func (c *Checkpoints) removeDead(ctx context.Context) {
	dead := make(map[string]string)
	c.mu.Lock()
	for owner, o := range c.observed {
		if o.version != "" && o.confirmed.Sub(o.since) > 10*c.lease {
			dead[owner] = o.version
		}
	}
	c.mu.Unlock()
	for owner, version := range dead {
		// The condition fails if the copy is alive or another copy removed it.
		_ = c.table.Delete(ctx, c.copyKey(owner), pipeline.AtVersion(version))
	}
}

// archive moves finished shards out of the partition that scans read. Any copy
// may do so, several at once too: a finished shard does not change.
func (c *Checkpoints) archive(ctx context.Context) error {
	c.mu.Lock()
	leases := maps.Clone(c.view.leases)
	c.mu.Unlock()
	for shard, l := range leases {
		if l.Checkpoint != eventsource.ShardEnd {
			continue
		}
		it, err := c.leaseItem(shard, l)
		if err != nil {
			return c.errorf("archive", shard, err)
		}
		it.Key = c.finishedKey(shard)
		if _, err := c.table.Put(ctx, it, pipeline.Always()); err != nil {
			return c.errorf("archive", shard, err)
		}
		err = c.table.Delete(ctx, c.leaseKey(shard), pipeline.AtVersion(l.version))
		if _, moved := errors.AsType[*pipeline.ConflictError](err); err != nil && !moved {
			return c.errorf("archive", shard, err)
		}
	}
	return nil
}

// isFinished reports whether a shard without a lease was read to its end.
func (c *Checkpoints) isFinished(ctx context.Context, shard string) (bool, error) {
	_, err := c.table.Get(ctx, c.finishedKey(shard))
	if errors.Is(err, pipeline.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
