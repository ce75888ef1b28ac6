package leases

import (
	"context"
	"fmt"
	"time"

	"sluice/deploy/eventsource"
)

// sighting is what this copy saw of another's heartbeat.
type sighting struct {
	version   string    // "" when there was none
	since     time.Time // when this version was seen first
	confirmed time.Time // when it was seen last
}

// view is what the last look at the table showed.
type view struct {
	leases map[string]lease // by shard
	copies map[string]bool  // owners that live and read, this one included
}

// look reads all items of the feed but those of finished shards.
func (c *Checkpoints) look(ctx context.Context) error {
	if err := c.looking.take(ctx); err != nil {
		return err
	}
	defer c.looking.give()
	ctx, cancel := context.WithTimeout(ctx, c.quiet/2)
	defer cancel()
	began, held := c.now(), c.held()
	leases, versions, readers := make(map[string]lease), make(map[string]string), make(map[string]bool)
	for it, err := range c.table.Query(ctx, c.pk, "") {
		if err != nil {
			return fmt.Errorf("read the leases of %q: %w", c.pk, err)
		}
		shard, owner := kindOf(it.Key.SK)
		if owner != "" {
			var h heartbeat
			if err := it.Decode(&h); err != nil {
				return err
			}
			versions[owner], readers[owner] = it.Version, h.Reads
			continue
		}
		l := lease{version: it.Version}
		if err := it.Decode(&l); err != nil {
			return err
		}
		leases[shard] = l
	}
	c.noticeLost(ctx, held, leases)
	c.see(began, leases, versions, readers)
	c.share(ctx)
	return nil
}

// noticeLost drops the leases, of those held before the look, whose items have
// another term.
func (c *Checkpoints) noticeLost(ctx context.Context, held []*holding, leases map[string]lease) {
	for _, h := range held {
		if l := leases[h.shard]; l.Term != h.term && c.drop(h) {
			c.log.WarnContext(ctx, "lease lost", "shard", h.shard, "to", l.Owner)
		}
	}
}

// see takes in what a look showed. began is when it began: what it showed was so
// then or later. A version counts as new from its end on.
func (c *Checkpoints) see(began time.Time, leases map[string]lease, versions map[string]string, readers map[string]bool) {
	ended := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range leases {
		if _, ok := versions[l.Owner]; !ok && l.Owner != "" {
			versions[l.Owner] = "" // an owner without a heartbeat
		}
	}
	if !c.late.ended.IsZero() && !began.Before(c.late.ended) {
		// What was lost in the silence is dropped, the rest is this copy's.
		c.good, c.late = c.late.began, lateBeat{}
	}
	c.joined = true
	c.view = view{leases: leases, copies: map[string]bool{c.owner: true}}
	sighted := make(map[string]sighting, len(versions))
	for owner, version := range versions {
		s, ok := c.sighted[owner]
		if !ok || s.version != version {
			s = sighting{version: version, since: ended, confirmed: ended}
		} else if began.After(s.confirmed) {
			s.confirmed = began
		}
		sighted[owner] = s
		if readers[owner] && !c.isSilent(s) {
			c.view.copies[owner] = true
		}
	}
	c.sighted = sighted
	for shard, w := range c.waived {
		if leases[shard].Checkpoint == eventsource.ShardEnd || ended.Sub(w.since) > remember {
			delete(c.waived, shard)
		}
	}
}

// isSilent reports whether a heartbeat was seen, and seen again unchanged after
// too long. What was not looked at in the meantime does not count.
func (c *Checkpoints) isSilent(s sighting) bool { return s.confirmed.Sub(s.since) >= c.quiet }
