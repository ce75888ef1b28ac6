package leases

import (
	"context"
	"errors"
	"maps"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// tidy does what keeps the table small and its items alive. Nothing waits for it.
func (c *Checkpoints) tidy(ctx context.Context) error {
	c.refresh(ctx)
	c.bury(ctx)
	return c.archive(ctx)
}

// refresh writes leases again on which nothing happened for long, so that the
// table's clean-up does not take them.
func (c *Checkpoints) refresh(ctx context.Context) {
	for _, h := range c.held() {
		if !h.writing.tryTake() {
			continue // it is being written
		}
		c.mu.Lock()
		after, due := h.after, !h.gone && c.now().Sub(h.written) > remember/7
		c.mu.Unlock()
		if due {
			if err := c.write(ctx, h, lease{Owner: c.owner, Term: h.term, Checkpoint: after}); err != nil {
				c.log.WarnContext(ctx, "refresh a lease", "shard", h.shard, "error", err)
			}
		}
		h.writing.give()
	}
}

// bury removes the heartbeats of copies that are long dead. An owner among them,
// whose shards nobody wants, counts as silent without one.
func (c *Checkpoints) bury(ctx context.Context) {
	dead := make(map[string]string)
	c.mu.Lock()
	for owner, s := range c.sighted {
		if s.version != "" && s.confirmed.Sub(s.since) > 10*c.lease {
			dead[owner] = s.version
		}
	}
	c.mu.Unlock()
	for owner, version := range dead {
		// Should it live after all, or another copy bury it: so be it.
		_ = c.table.Delete(ctx, c.copyKey(owner), pipeline.AtVersion(version))
	}
}

// archive moves finished shards out of the partition that every look reads. Any
// copy may do it, and several at once: a shard that is finished stays so.
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
		it.Key = c.endKey(shard)
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

// isFinished says whether a shard without a lease was read to its end.
func (c *Checkpoints) isFinished(ctx context.Context, shard string) (bool, error) {
	_, err := c.table.Get(ctx, c.endKey(shard))
	if errors.Is(err, pipeline.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
