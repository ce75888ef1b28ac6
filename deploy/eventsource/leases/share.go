package leases

import (
	"context"
	"slices"
	"time"

	"sluice/deploy/eventsource"
)

// waiver is a shard without an owner that this copy leaves to others.
type waiver struct {
	since time.Time
	gave  bool // it has just handed the shard over; else it has its share already
}

// known is what the last look tells of a shard that is finished or in good
// hands, so that Load need not ask for it: "" and no error where it does not.
func (c *Checkpoints) known(shard string) (after string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.view.leases[shard]
	switch {
	case ok && l.Checkpoint == eventsource.ShardEnd:
		return eventsource.ShardEnd, nil
	case ok && l.Owner != "" && l.Owner != c.owner && !c.silent(l.Owner):
		return "", c.errorf("load", shard, eventsource.ErrLeased)
	}
	return "", nil
}

// silent reports whether a copy is dead, as far as can be seen. The caller holds
// c.mu.
func (c *Checkpoints) silent(owner string) bool {
	s, ok := c.sighted[owner]
	return ok && c.isSilent(s)
}

// mayTake says whether this copy may take a shard, and wants to. A share is a
// wish, not a rule: what nobody takes for a whole lease is taken.
func (c *Checkpoints) mayTake(shard string, current lease) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if current.Owner == c.owner {
		return true // of a write whose answer was lost
	}
	if current.Owner != "" && !c.silent(current.Owner) {
		delete(c.waived, shard)
		return false
	}
	w, waived := c.waived[shard]
	switch {
	case waived && c.now().Sub(w.since) >= c.lease:
		return true
	case c.hasRoom(shard) && !(w.gave && c.poorest() < len(c.mine)):
		return true
	case !waived:
		c.waived[shard] = waiver{since: c.now()}
	}
	return false
}

// hasRoom says whether this copy has less than its share of the shards that are
// not finished. The caller holds c.mu.
func (c *Checkpoints) hasRoom(shard string) bool {
	open := 0
	if _, ok := c.view.leases[shard]; !ok {
		open++ // this one, which nobody had when the last look was
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

// poorest returns how many shards the living copy has that has fewest. The caller
// holds c.mu.
func (c *Checkpoints) poorest() int {
	counts := make(map[string]int, len(c.view.copies))
	for owner := range c.view.copies {
		counts[owner] = 0
	}
	for _, l := range c.view.leases {
		if _, lives := counts[l.Owner]; lives && l.Checkpoint != eventsource.ShardEnd {
			counts[l.Owner]++
		}
	}
	counts[c.owner] = len(c.mine)
	least := len(c.mine)
	for _, n := range counts {
		least = min(least, n)
	}
	return least
}

// share marks shards that are to be handed over: half of what this copy has more
// than the poorest one, so that after some looks no two are more than one apart.
func (c *Checkpoints) share(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	least := c.poorest()
	surplus := (len(c.mine) - least) / 2
	shards := make([]string, 0, len(c.mine))
	for shard := range c.mine {
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	for i, shard := range shards {
		h := c.mine[shard]
		leaving := i < surplus
		if leaving && !h.leaving {
			c.log.InfoContext(ctx, "shard will be handed over", "shard", shard, "have", len(c.mine), "poorest", least)
		}
		h.leaving = leaving
	}
}
