package leases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// lateHeartbeat describes the heartbeats after a time in which other copies may
// have taken shards. They count when a scan that began after the first of them
// has shown which shards were taken.
type lateHeartbeat struct {
	ended time.Time // of the first; zero if there is none
	began time.Time // of the last
}

// Run sends heartbeats until ctx ends. It then releases the shards of this
// copy, removes the heartbeat and returns. The context of Run must end after
// the mapping has returned.
//
// Heartbeats have a goroutine of their own. Scans and other writes run next to
// it, so that a slow call does not delay a heartbeat.
func (c *Checkpoints) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { c.repeat(ctx, c.interval, "send the heartbeat", c.sendHeartbeat) })
	running.Go(func() { c.repeat(ctx, c.interval, "scan the leases", c.scan) })
	running.Go(func() { c.repeat(ctx, min(c.lease, time.Hour), "clean up the leases", c.cleanUp) })
	running.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	return c.leave(last)
}

// repeat calls do at once and then at an interval until ctx ends.
func (c *Checkpoints) repeat(ctx context.Context, interval time.Duration, action string, do func(context.Context) error) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for ctx.Err() == nil {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, action, "error", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// join sends a heartbeat and scans the leases before this copy takes its first
// shard, and again if its heartbeats have stopped.
func (c *Checkpoints) join(ctx context.Context) error {
	c.mu.Lock()
	ready, left := c.joined && c.isAlive(), c.left
	c.mu.Unlock()
	switch {
	case left:
		return fmt.Errorf("this copy has ended: %w", eventsource.ErrLeased)
	case ready:
		return nil
	}
	if err := c.sendHeartbeat(ctx); err != nil {
		return err
	}
	return c.scan(ctx)
}

// sendHeartbeat writes the heartbeat of this copy.
func (c *Checkpoints) sendHeartbeat(ctx context.Context) error {
	if err := c.sending.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.sending.Release(1)
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout/4)
	defer cancel()
	c.heartbeats++
	began := c.now()
	it, err := c.item(c.copyKey(c.owner), heartbeat{Beat: c.heartbeats, Reads: c.reads(), At: c.timestamp()})
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
	case ended.Sub(c.good) < c.timeout:
		c.good = began // no copy can have seen a timeout
	case ended.Sub(c.late.began) < c.timeout:
		c.late.began = began
	default:
		c.late = lateHeartbeat{ended: ended, began: began}
	}
	return nil
}

// isAlive reports whether no other copy can count this one as dead. An observer
// measures from the end of a heartbeat, this copy from its beginning. The
// caller holds c.mu.
func (c *Checkpoints) isAlive() bool { return !c.good.IsZero() && c.now().Sub(c.good) < c.timeout }

// Alive reports whether the heartbeats of this copy succeed, so that other
// copies do not take its shards. It is false before the first heartbeat.
func (c *Checkpoints) Alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isAlive()
}

// reads reports whether the mapping works: it has shards, or has loaded one
// lately.
func (c *Checkpoints) reads() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mine) > 0 || !c.loaded.IsZero() && c.now().Sub(c.loaded) < 3*loadInterval
}

func (c *Checkpoints) held() []*holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.mine))
}

// leave releases every lease and removes the heartbeat of this copy.
func (c *Checkpoints) leave(ctx context.Context) error {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	var errs []error
	for _, h := range c.held() {
		if err := c.releaseAsSaved(ctx, h); err != nil && !errors.Is(err, eventsource.ErrLeaseLost) {
			errs = append(errs, err)
		}
	}
	if err := c.sending.Acquire(ctx, 1); err != nil { // no heartbeat may follow the removal
		return errors.Join(append(errs, err)...)
	}
	defer c.sending.Release(1)
	if err := c.table.Delete(ctx, c.copyKey(c.owner), pipeline.Always()); err != nil {
		errs = append(errs, fmt.Errorf("remove the heartbeat of %q: %w", c.owner, err))
	}
	return errors.Join(errs...)
}

// releaseAsSaved releases a lease with its saved checkpoint.
func (c *Checkpoints) releaseAsSaved(ctx context.Context, h *holding) error {
	if err := h.writing.Acquire(ctx, 1); err != nil {
		return c.errorf("release", h.shard, err)
	}
	defer h.writing.Release(1)
	c.mu.Lock()
	after := h.after
	c.mu.Unlock()
	return c.release(ctx, h, after)
}
