package leases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
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

// Run beats until ctx ends, then gives back what this copy has and leaves. It
// returns when that is done: end its context after the mapping has returned.
func (c *Checkpoints) Run(ctx context.Context) error {
	t := time.NewTicker(c.every)
	defer t.Stop()
	for ctx.Err() == nil {
		if err := c.beat(ctx); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "heartbeat", "error", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.quiet)
	defer cancel()
	return c.leave(last)
}

// join beats for the first time, before this copy takes anything.
func (c *Checkpoints) join(ctx context.Context) error {
	c.mu.Lock()
	joined, left := c.joined, c.left
	c.mu.Unlock()
	switch {
	case left:
		return fmt.Errorf("this copy has left: %w", eventsource.ErrLeased)
	case joined:
		return nil
	}
	return c.beat(ctx)
}

// beat writes this copy's heartbeat and looks at all others.
func (c *Checkpoints) beat(ctx context.Context) error {
	c.beating.Lock()
	defer c.beating.Unlock()
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left {
		return nil
	}
	// A call that hangs must not keep the heart from its next beat.
	ctx, cancel := context.WithTimeout(ctx, c.quiet/2)
	defer cancel()
	c.beats++
	it, err := c.item(c.copyKey(c.owner), heartbeat{Beat: c.beats, Reads: c.reads(), At: c.stamp()})
	if err != nil {
		return err
	}
	if _, err := c.table.Put(ctx, it, pipeline.Always()); err != nil {
		return fmt.Errorf("write the heartbeat of %q: %w", c.owner, err)
	}
	if err := c.look(ctx); err != nil {
		return err
	}
	c.refresh(ctx)
	return nil
}

// look reads all items of the feed.
func (c *Checkpoints) look(ctx context.Context) error {
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
		var l lease
		if err := it.Decode(&l); err != nil {
			return err
		}
		leases[shard] = l
	}
	c.see(began, leases, versions, readers)
	c.noticeLost(ctx, held, leases)
	c.share(ctx)
	c.bury(ctx)
	return nil
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

// reads says whether the mapping works: it has shards, or asked for one lately.
func (c *Checkpoints) reads() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mine) > 0 || !c.asked.IsZero() && c.now().Sub(c.asked) < 3*mappingLooks
}

func (c *Checkpoints) held() []*holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*holding, 0, len(c.mine))
	for _, h := range c.mine {
		all = append(all, h)
	}
	return all
}

// noticeLost drops the leases, of those held before the look, whose items have
// another term.
func (c *Checkpoints) noticeLost(ctx context.Context, held []*holding, leases map[string]lease) {
	for _, h := range held {
		l := leases[h.shard]
		if l.Term == h.term {
			continue
		}
		h.mu.Lock()
		if !h.gone {
			c.drop(h)
			c.log.WarnContext(ctx, "lease lost", "shard", h.shard, "to", l.Owner, "after", h.after)
		}
		h.mu.Unlock()
	}
}

// refresh writes leases again on which nothing happened for long, so that the
// table's clean-up does not take them.
func (c *Checkpoints) refresh(ctx context.Context) {
	for _, h := range c.held() {
		h.mu.Lock()
		if !h.gone && c.now().Sub(h.written) > remember/7 {
			if err := c.write(ctx, h, lease{Owner: c.owner, Term: h.term, Checkpoint: h.after}); err != nil {
				c.log.WarnContext(ctx, "refresh a lease", "shard", h.shard, "error", err)
			}
		}
		h.mu.Unlock()
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

// leave gives back every lease and removes this copy's heartbeat.
func (c *Checkpoints) leave(ctx context.Context) error {
	c.beating.Lock()
	defer c.beating.Unlock()
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	var errs []error
	for _, h := range c.held() {
		h.mu.Lock()
		if err := c.give(ctx, h, h.after); err != nil && !errors.Is(err, eventsource.ErrLeaseLost) {
			errs = append(errs, err)
		}
		h.mu.Unlock()
	}
	if err := c.table.Delete(ctx, c.copyKey(c.owner), pipeline.Always()); err != nil {
		errs = append(errs, fmt.Errorf("remove the heartbeat of %q: %w", c.owner, err))
	}
	return errors.Join(errs...)
}
