package leases

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// lateBeat is heartbeats after a silence in which others may have taken shards:
// they count when a look that began after the first of them has shown which.
type lateBeat struct {
	ended time.Time // of the first; zero when there is none
	began time.Time // of the last
}

// Run beats until ctx ends, then gives back what this copy has and leaves. It
// returns when that is done: end its context after the mapping has returned.
//
// The heart does nothing but beat. Looking at the others, and what is written for
// any other reason, goes on beside it, so that a slow call delays none of them.
func (c *Checkpoints) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { c.repeat(ctx, c.every, "heartbeat", c.beat) })
	running.Go(func() { c.repeat(ctx, c.every, "look at the leases", c.look) })
	running.Go(func() { c.repeat(ctx, min(c.lease, time.Hour), "tidy the leases", c.tidy) })
	running.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.quiet)
	defer cancel()
	return c.leave(last)
}

// repeat does something at once, and then every so often until ctx ends.
func (c *Checkpoints) repeat(ctx context.Context, every time.Duration, what string, do func(context.Context) error) {
	t := time.NewTicker(every)
	defer t.Stop()
	for ctx.Err() == nil {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, what, "error", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// join beats and looks before this copy takes anything: at first, and again when
// its heart stood still.
func (c *Checkpoints) join(ctx context.Context) error {
	c.mu.Lock()
	ready, left := c.joined && c.isGood(), c.left
	c.mu.Unlock()
	switch {
	case left:
		return fmt.Errorf("this copy has left: %w", eventsource.ErrLeased)
	case ready:
		return nil
	}
	if err := c.beat(ctx); err != nil {
		return err
	}
	return c.look(ctx)
}

// beat writes this copy's heartbeat.
func (c *Checkpoints) beat(ctx context.Context) error {
	if err := c.beating.take(ctx); err != nil {
		return err
	}
	defer c.beating.give()
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.quiet/4)
	defer cancel()
	c.beats++
	began := c.now()
	it, err := c.item(c.copyKey(c.owner), heartbeat{Beat: c.beats, Reads: c.reads(), At: c.stamp()})
	if err != nil {
		return err
	}
	if _, err := c.table.Put(ctx, it, pipeline.Always()); err != nil {
		return fmt.Errorf("write the heartbeat of %q: %w", c.owner, err)
	}
	ended := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ended.Sub(c.good) < c.quiet:
		c.good = began // nobody saw a silence that was too long
	case ended.Sub(c.late.began) < c.quiet:
		c.late.began = began
	default:
		c.late = lateBeat{ended: ended, began: began}
	}
	return nil
}

// isGood says whether no other copy can have seen this one silent for too long.
// An observer counts from after the heartbeat, this copy from before it. The
// caller holds c.mu.
func (c *Checkpoints) isGood() bool { return !c.good.IsZero() && c.now().Sub(c.good) < c.quiet }

// Alive says whether this copy's heart beats: other copies leave its shards to
// it. It is false before the first heartbeat.
func (c *Checkpoints) Alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isGood()
}

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

// leave gives back every lease and removes this copy's heartbeat.
func (c *Checkpoints) leave(ctx context.Context) error {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	var errs []error
	for _, h := range c.held() {
		if err := c.giveAsSaved(ctx, h); err != nil && !errors.Is(err, eventsource.ErrLeaseLost) {
			errs = append(errs, err)
		}
	}
	if err := c.beating.take(ctx); err != nil { // a last heartbeat must not come after the end
		return errors.Join(append(errs, err)...)
	}
	defer c.beating.give()
	if err := c.table.Delete(ctx, c.copyKey(c.owner), pipeline.Always()); err != nil {
		errs = append(errs, fmt.Errorf("remove the heartbeat of %q: %w", c.owner, err))
	}
	return errors.Join(errs...)
}

// giveAsSaved gives a lease back at its checkpoint.
func (c *Checkpoints) giveAsSaved(ctx context.Context, h *holding) error {
	if err := h.writing.take(ctx); err != nil {
		return c.errorf("give back", h.shard, err)
	}
	defer h.writing.give()
	c.mu.Lock()
	after := h.after
	c.mu.Unlock()
	return c.give(ctx, h, after)
}
