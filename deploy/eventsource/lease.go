package eventsource

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// Standing is what this copy may do with a shard whose lease it took. The zero value is Lost, so that who does not know says
// the safe thing.
type Standing int

// The standings of a lease.
const (
	// Lost: another copy has the shard, or may have it by now. Nothing more is read or invoked; the mapping loads the shard
	// again, later.
	Lost Standing = iota
	// Held: the shard is this copy's.
	Held
	// Leaving: the shard is this copy's still, and another waits for it. Nothing more is started; when what runs has ended,
	// the shard is released.
	Leaving
)

func (s Standing) String() string {
	switch s {
	case Held:
		return "held"
	case Leaving:
		return "leaving"
	}
	return "lost"
}

// Leases is what [Checkpoints] also are that share a feed between copies. A mapping asks for a shard's standing before each
// read and each invocation, and once a second between them: a shard on which nothing happens is saved never, and its lease
// may be lost or wanted all the same. It is safe for concurrent use, and Standing does not wait for anything.
type Leases interface {
	// Standing says what this copy may do with a shard that it loaded.
	Standing(shard string) Standing

	// Release gives a shard back, with the checkpoint it came to: "" when it has none. ErrLeaseLost means that there was
	// nothing to give.
	Release(ctx context.Context, shard, after string) error

	// Lease is how long a shard may stand still. A mapping that is stalled for so long, because too many abandoned
	// invocations still run, releases its shards, and loads none until it goes on.
	Lease() time.Duration
}

// leaseLooks is how often a reader asks for its lease while it waits for something else.
const leaseLooks = time.Second

// standing says what this copy may do with a shard. Without leases every shard is held.
func (r *feedRun) standing(shard string) Standing {
	if r.leases == nil {
		return Held
	}
	s := r.leases.Standing(shard)
	if s == Held && r.invoker.stalledFor() >= r.leases.Lease() {
		return Leaving
	}
	return s
}

// mayGoOn says whether the reader may read and invoke.
func (sr *shardReader) mayGoOn() bool { return sr.standing(sr.shard.ID) == Held }

// watchLease stops the reader when it may not go on, also while it waits for room, for a retry or for a destination.
func (sr *shardReader) watchLease(ctx context.Context, stop context.CancelFunc) {
	for sr.leases != nil && sleep(ctx, leaseLooks) {
		if s := sr.standing(sr.shard.ID); s != Held {
			sr.Logger.WarnContext(ctx, "the shard is read no more", "shard", sr.shard.ID, "lease", s.String())
			stop()
			return
		}
	}
}

// release gives the shard back at the position up to which all is done. It tries until that is stored, until the lease is
// lost or not wanted any more, or ctx ends.
func (sr *shardReader) release(ctx, work context.Context) {
	sr.mu.Lock()
	after := sr.progress.done
	sr.mu.Unlock()
	for failures := 1; sr.standing(sr.shard.ID) == Leaving; failures++ {
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
