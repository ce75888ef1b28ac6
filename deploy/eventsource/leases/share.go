package leases

import (
	"context"
	"maps"
	"slices"
	"time"

	"sluice/deploy/eventsource"
)

// deferral is a shard without an owner that this copy leaves to other copies.
type deferral struct {
	since    time.Time
	released bool // this copy has just released it; otherwise it has its share
}

// known returns what the last scan says about a shard that is finished or that
// a living copy has, so that Load need not read its item. It returns "" and no
// error for any other shard.
func (c *Checkpoints) known(shard string) (after string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.view.leases[shard]
	switch {
	case ok && l.Checkpoint == eventsource.ShardEnd:
		return eventsource.ShardEnd, nil
	case ok && l.Owner != "" && l.Owner != c.owner && !c.isDead(l.Owner):
		return "", c.errorf("load", shard, eventsource.ErrLeased)
	}
	return "", nil
}

// isDead reports whether the heartbeat of a copy has timed out. The caller
// holds c.mu.
func (c *Checkpoints) isDead(owner string) bool {
	o, ok := c.observed[owner]
	return ok && c.timedOut(o)
}

// mayTake reports whether this copy may take a shard and should. The share of a
// copy is not a strict limit: a shard that no copy takes for the time of a
// lease is taken.
func (c *Checkpoints) mayTake(shard string, current lease) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if current.Owner == c.owner {
		return true // by a write whose response was lost
	}
	if current.Owner != "" && !c.isDead(current.Owner) {
		delete(c.deferred, shard)
		return false
	}
	d, deferred := c.deferred[shard]
	switch {
	case deferred && c.now().Sub(d.since) >= c.lease:
		return true
	case c.hasRoom(shard) && !(d.released && c.fewest() < len(c.mine)):
		return true
	case !deferred:
		c.deferred[shard] = deferral{since: c.now()}
	}
	return false
}

// hasRoom reports whether this copy has less than its share of the shards that
// are not finished. The caller holds c.mu.
func (c *Checkpoints) hasRoom(shard string) bool {
	open := 0
	if _, ok := c.view.leases[shard]; !ok {
		open++ // this shard, which no copy had at the last scan
	}
	for mine := range c.mine {
		if _, ok := c.view.leases[mine]; !ok {
			open++
		}
	}
	for _, l := range c.view.leases {
		if l.Checkpoint != eventsource.ShardEnd {
			open++
		}
	}
	copies := max(1, len(c.view.copies))
	return len(c.mine)+1 <= (open+copies-1)/copies
}

// fewest returns the smallest number of shards that a living copy has. The
// caller holds c.mu.
func (c *Checkpoints) fewest() int {
	counts := make(map[string]int, len(c.view.copies))
	for owner := range c.view.copies {
		counts[owner] = 0
	}
	for _, l := range c.view.leases {
		if _, alive := counts[l.Owner]; alive && l.Checkpoint != eventsource.ShardEnd {
			counts[l.Owner]++
		}
	}
	counts[c.owner] = len(c.mine)
	return slices.Min(slices.Collect(maps.Values(counts)))
}

// balance marks shards to be released: half of the difference between this copy
// and the copy with the fewest shards. After some scans no two copies differ by
// more than one.
func (c *Checkpoints) balance(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fewest := c.fewest()
	surplus := (len(c.mine) - fewest) / 2
	for i, shard := range slices.Sorted(maps.Keys(c.mine)) {
		h := c.mine[shard]
		leaving := i < surplus
		if leaving && !h.leaving {
			c.log.InfoContext(ctx, "shard will be released", "shard", shard, "held", len(c.mine), "fewest", fewest)
		}
		h.leaving = leaving
	}
}
