package leases

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sluice/deploy/eventsource"
)

// observation is what this copy has seen of a heartbeat.
type observation struct {
	version   string    // "" if there was no heartbeat
	since     time.Time // when this version was first seen
	confirmed time.Time // when it was last seen
}

// view is the result of the last scan.
type view struct {
	leases map[string]lease // by shard
	copies map[string]bool  // owners that are alive and read, this copy included
}

// scan reads all items of the feed except those of finished shards.
func (c *Checkpoints) scan(ctx context.Context) error {
	if err := c.scanning.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.scanning.Release(1)
	ctx, cancel := context.WithTimeout(ctx, c.timeout/2)
	defer cancel()
	began, held := c.now(), c.held()
	leases, versions, readers := make(map[string]lease), make(map[string]string), make(map[string]bool)
	for it, err := range c.table.Query(ctx, c.pk, "") {
		if err != nil {
			return fmt.Errorf("read the leases of %q: %w", c.pk, err)
		}
		shard, owner := parseSortKey(it.Key.SK)
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
	c.dropLost(ctx, held, leases)
	c.observe(began, leases, versions, readers)
	c.balance(ctx)
	return nil
}

// dropLost drops those leases held before the scan whose items have another
// term.
func (c *Checkpoints) dropLost(ctx context.Context, held []*holding, leases map[string]lease) {
	for _, h := range held {
		if l := leases[h.shard]; l.Term != h.term && c.drop(h) {
			c.log.WarnContext(ctx, "lease lost", "shard", h.shard, "to", l.Owner)
		}
	}
}

// observe stores the result of a scan. began is when the scan began: an
// unchanged version counts as seen then. A new version counts as seen at the
// end.
func (c *Checkpoints) observe(began time.Time, leases map[string]lease, versions map[string]string, readers map[string]bool) {
	ended := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range leases {
		if _, ok := versions[l.Owner]; !ok && l.Owner != "" {
			versions[l.Owner] = "" // an owner without a heartbeat
		}
	}
	if !c.late.ended.IsZero() && !began.Before(c.late.ended) {
		// Leases that were lost meanwhile are dropped; this copy has the
		// others.
		c.good, c.late = c.late.began, lateHeartbeat{}
	}
	c.joined = true
	c.view = view{leases: leases, copies: map[string]bool{c.owner: true}}
	observed := make(map[string]observation, len(versions))
	for owner, version := range versions {
		o, ok := c.observed[owner]
		if !ok || o.version != version {
			o = observation{version: version, since: ended, confirmed: ended}
		} else if began.After(o.confirmed) {
			o.confirmed = began
		}
		observed[owner] = o
		if readers[owner] && !c.timedOut(o) {
			c.view.copies[owner] = true
		}
	}
	c.observed = observed
	maps.DeleteFunc(c.deferred, func(shard string, d deferral) bool {
		return leases[shard].Checkpoint == eventsource.ShardEnd || ended.Sub(d.since) > retention
	})
}

// timedOut reports whether a heartbeat was seen, and seen again unchanged after
// the timeout. Time without scans does not count.
func (c *Checkpoints) timedOut(o observation) bool { return o.confirmed.Sub(o.since) >= c.timeout }
