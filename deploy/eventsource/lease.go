package eventsource

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// LeaseState is what this copy may do with a shard whose lease it has taken.
// The zero value is Lost, so that the zero value is the safe one.
type LeaseState int

// The states of a lease.
const (
	// Lost means that another copy has the shard, or may have it. The mapping
	// stops reading and invoking, and loads the shard again later.
	Lost LeaseState = iota
	// Held means that this copy has the shard.
	Held
	// Leaving means that this copy has the shard and another copy waits for it.
	// The mapping starts no more invocations, and releases the shard when those
	// that run have ended.
	Leaving
)

func (s LeaseState) String() string {
	switch s {
	case Held:
		return "held"
	case Leaving:
		return "leaving"
	}
	return "lost"
}

// Leases is implemented by [Checkpoints] that share a feed between copies. A
// mapping asks for the state of a shard before each read and each invocation,
// and once a second in between, because the lease of a shard without changes
// can be lost too. Leases are safe for concurrent use.
type Leases interface {
	// State returns what this copy may do with a shard that it has loaded. It
	// does not block.
	State(shard string) LeaseState

	// Release gives up the lease of a shard with its last checkpoint, or "" if
	// it has none. It returns ErrLeaseLost if this copy has no lease.
	Release(ctx context.Context, shard, after string) error

	// Lease returns how long a shard may make no progress. A mapping that is
	// stalled for that long, because too many abandoned invocations are
	// running, releases its shards and loads none until it can invoke again.
	Lease() time.Duration
}

// leaseCheck is how often a reader checks its lease while it waits.
const leaseCheck = time.Second

// leaseState returns what this copy may do with a shard. Without leases every
// shard is held.
func (r *feedRun) leaseState(shard string) LeaseState {
	if r.leases == nil {
		return Held
	}
	s := r.leases.State(shard)
	if s == Held && r.invoker.stalledFor() >= r.leases.Lease() {
		return Leaving
	}
	return s
}

// mayRead reports whether the reader may read and invoke.
func (sr *shardReader) mayRead() bool { return sr.leaseState(sr.shard.ID) == Held }

// watchLease stops the reader when it may no longer read, also while it waits
// for room, for a retry or for OnFailure.
func (sr *shardReader) watchLease(ctx context.Context, stop context.CancelFunc) {
	for sr.leases != nil && sleep(ctx, leaseCheck) {
		if s := sr.leaseState(sr.shard.ID); s != Held {
			sr.Logger.WarnContext(ctx, "stopped reading the shard", "shard", sr.shard.ID, "lease", s.String())
			stop()
			return
		}
	}
}

// release releases the shard at the position up to which all records are done.
// It retries until that is stored, until the lease is lost or no other copy
// waits for it, or until ctx ends.
func (sr *shardReader) release(ctx, work context.Context) {
	sr.mu.Lock()
	after := sr.progress.done
	sr.mu.Unlock()
	for failures := 1; sr.leaseState(sr.shard.ID) == Leaving; failures++ {
		err := sr.releaseAt(work, cmp.Or(after, sr.saved))
		if err == nil || errors.Is(err, ErrLeaseLost) {
			return
		}
		sr.Logger.ErrorContext(ctx, "release the shard", "shard", sr.shard.ID, "error", err, "failures", failures)
		if !sleep(ctx, sr.Backoff(failures)) {
			return
		}
	}
}

func (sr *shardReader) releaseAt(work context.Context, after string) error {
	ctx, cancel := context.WithTimeout(settling(work), settleTimeout)
	defer cancel()
	return sr.leases.Release(ctx, sr.shard.ID, after)
}
