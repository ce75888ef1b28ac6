// Package leases lets several copies of a mapping share a change feed. It
// stores the checkpoints of the shards in a table, each with a lease.
//
// The table has an item for each shard, with its owner and checkpoint, and an
// item for each copy, its heartbeat, which the copy writes at an interval. A
// shard belongs to the copy that its item names. If the heartbeat of that copy
// does not change for too long, another copy takes the shard with a conditional
// write. From then on the version that the first owner knows, its fencing
// token, is stale, and its writes fail.
//
// The first owner also stops reading. It measures the time since its last
// successful heartbeat began and, after the same time, treats its leases as
// lost, whether or not another copy took them. So it stops before another copy
// may begin, even if it can reach the feed and not the table. A batch that it
// has passed to the function is not canceled and may be processed twice.
//
// No clocks of two machines are compared. A copy counts as dead if an observer
// saw the version of its heartbeat, which is new with each write, unchanged for
// a time on the observer's own clock. The clocks may differ by hours, and an
// observer that was suspended has seen nothing in that time and takes nothing.
// Only the rates of the clocks must agree, and a clock must advance while its
// process is suspended.
//
// A heartbeat belongs to a copy and not to a shard, so that a copy with a
// hundred shards writes as often as a copy with one. At each interval a copy
// also reads the items of all copies and of all shards that are not finished.
// The reads of a feed therefore grow with the square of its copies; more copies
// than shards have nothing to do.
package leases

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// Bounds of a lease.
const (
	DefaultLease = 30 * time.Second
	// MinLease allows two consecutive heartbeats without a response.
	MinLease = 15 * time.Second

	loadInterval       = 5 * time.Second // at which a mapping loads the shards that it does not read
	heartbeatsPerLease = 15
	retention          = 7 * 24 * time.Hour // of items
	// finishedRetention is how long a finished shard is stored: a stream lists
	// it for a day.
	finishedRetention = 3 * 24 * time.Hour
)

// Options configure Checkpoints. The zero value suits most uses.
type Options struct {
	// Lease is how long a shard may make no progress after its owner has died:
	// by then another copy reads it. Zero means 30 s; less than 15 s means 15
	// s. All copies should have the same Lease.
	Lease time.Duration
	// Name identifies the copy in logs and in the table. Empty means the host
	// name and the process id.
	Name string
	// Now returns the time. Nil means time.Now.
	Now func() time.Time
	// Logger receives the shards that are taken, lost and released. Nil
	// discards.
	Logger *slog.Logger
}

// Checkpoints are the [eventsource.Checkpoints] and [eventsource.Leases] of one
// copy of a mapping over a feed. They are safe for concurrent use, by one
// mapping.
//
// Run must run next to the mapping: it sends the heartbeats. The copies balance
// the shards: a copy that has at least two shards more than another releases
// some, each when its running invocations have ended, so that no record is
// processed twice.
type Checkpoints struct {
	table    pipeline.Table
	feed     string
	pk       string
	owner    string
	lease    time.Duration
	interval time.Duration // between heartbeats
	timeout  time.Duration // without a new heartbeat, after which a copy counts as dead
	now      func() time.Time
	log      *slog.Logger

	sending    *semaphore.Weighted // one heartbeat at a time
	heartbeats int                 // that were sent; guarded by sending
	scanning   *semaphore.Weighted // one scan at a time

	mu       sync.Mutex
	view     view
	good     time.Time // when the last successful heartbeat began
	late     lateHeartbeat
	joined   bool
	left     bool
	loaded   time.Time              // the last Load
	mine     map[string]*holding    // by shard
	deferred map[string]deferral    // by shard: left to other copies for now
	observed map[string]observation // by owner
}

var (
	_ eventsource.Checkpoints = (*Checkpoints)(nil)
	_ eventsource.Leases      = (*Checkpoints)(nil)
)

// holding is a lease that this copy has.
type holding struct {
	shard string
	term  string // identifies this acquisition; the item has it too

	// writing is held during a write of the item. Heartbeats never wait for it.
	writing *semaphore.Weighted
	version string // fencing token: the version of the item; guarded by writing

	// Guarded by Checkpoints.mu.
	after   string
	written time.Time
	gone    bool // lost or released
	leaving bool // another copy should have it
}

// New returns the checkpoints of a new copy. feed names the feed: its ARN. New
// writes nothing.
func New(table pipeline.Table, feed string, o Options) *Checkpoints {
	lease := max(cmp.Or(o.Lease, DefaultLease), MinLease)
	interval := lease / heartbeatsPerLease
	c := &Checkpoints{
		table:    table,
		feed:     feed,
		sending:  semaphore.NewWeighted(1),
		scanning: semaphore.NewWeighted(1),
		pk:       "lease#" + feed,
		owner:    cmp.Or(o.Name, defaultName()) + "/" + rand.Text(),
		lease:    lease,
		interval: interval,
		// One scan sees a heartbeat, a later scan sees no new one, and then the
		// mapping has to load the shard. Two intervals more allow for slow
		// calls.
		//
		// A heartbeat without a response is canceled after a quarter of the
		// timeout. Two of those and the heartbeat before them last interval +
		// 3/4 timeout until the response of the third: less than timeout if the
		// lease is MinLease or more.
		timeout:  lease - loadInterval - 4*interval,
		now:      o.Now,
		log:      o.Logger,
		mine:     make(map[string]*holding),
		deferred: make(map[string]deferral),
		observed: make(map[string]observation),
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With("copy", c.owner)
	return c
}

func defaultName() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d", cmp.Or(host, "host"), os.Getpid())
}

// Owner returns the name of this copy in the table: Options.Name, a slash and a
// unique suffix.
func (c *Checkpoints) Owner() string { return c.owner }

// Held returns the number of shards that this copy has.
func (c *Checkpoints) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mine)
}

// Load implements [eventsource.Checkpoints]. It takes the lease of the shard if
// no copy has it and this copy has less than its share.
func (c *Checkpoints) Load(ctx context.Context, shard string) (after string, err error) {
	c.mu.Lock()
	c.loaded = c.now()
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.join(ctx); err != nil {
		return "", c.errorf("load", shard, err)
	}
	if after, ok := c.holds(shard); ok {
		return after, nil
	}
	if after, err := c.known(shard); after != "" || err != nil {
		return after, err
	}
	it, err := c.table.Get(ctx, c.leaseKey(shard))
	condition := pipeline.AtVersion(it.Version)
	var current lease
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		if finished, err := c.isFinished(ctx, shard); err != nil {
			return "", c.errorf("load", shard, err)
		} else if finished {
			return eventsource.ShardEnd, nil
		}
		condition = pipeline.Absent()
	case err != nil:
		return "", c.errorf("load", shard, err)
	default:
		if err := it.Decode(&current); err != nil {
			return "", c.errorf("load", shard, err)
		}
	}
	if current.Checkpoint == eventsource.ShardEnd {
		return eventsource.ShardEnd, nil
	}
	if !c.mayTake(shard, current) {
		return "", c.errorf("load", shard, eventsource.ErrLeased)
	}
	return c.take(ctx, shard, current, condition)
}

// take writes the name of this copy into the item of a shard.
func (c *Checkpoints) take(ctx context.Context, shard string, current lease, condition pipeline.Condition) (string, error) {
	h := &holding{shard: shard, writing: semaphore.NewWeighted(1), term: rand.Text(), after: current.Checkpoint, written: c.now()}
	it, err := c.leaseItem(shard, lease{Owner: c.owner, Term: h.term, Checkpoint: h.after})
	if err != nil {
		return "", c.errorf("take", shard, err)
	}
	stored, err := c.table.Put(ctx, it, condition)
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok {
		return "", c.errorf("take", shard, eventsource.ErrLeased) // another copy was faster
	}
	if err != nil {
		// If the write was made nevertheless, the next Load finds the name of
		// this copy.
		return "", c.errorf("take", shard, err)
	}
	h.version = stored.Version
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mine[shard] = h
	delete(c.deferred, shard)
	if current.Owner != "" && current.Owner != c.owner {
		c.log.WarnContext(ctx, "shard taken over from a dead copy", "shard", shard, "from", current.Owner, "after", h.after)
	} else {
		c.log.InfoContext(ctx, "shard taken", "shard", shard, "after", h.after)
	}
	return h.after, nil
}

// Save implements [eventsource.Checkpoints]. It needs the fencing token and not
// a successful heartbeat: progress from before the table became unavailable can
// be saved when it is available again, if no other copy has taken the shard.
// Save fails after half of the time that costs a lease.
func (c *Checkpoints) Save(ctx context.Context, shard, after string) error {
	h := c.holding(shard)
	if h == nil {
		return c.errorf("save", shard, eventsource.ErrLeaseLost)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout/2)
	defer cancel()
	if err := h.writing.Acquire(ctx, 1); err != nil {
		return c.errorf("save", shard, err)
	}
	defer h.writing.Release(1)
	if after == eventsource.ShardEnd {
		return c.release(ctx, h, after)
	}
	return c.write(ctx, h, lease{Owner: c.owner, Term: h.term, Checkpoint: after})
}

// Release implements [eventsource.Leases].
func (c *Checkpoints) Release(ctx context.Context, shard, after string) error {
	h := c.holding(shard)
	if h == nil {
		return c.errorf("release", shard, eventsource.ErrLeaseLost)
	}
	if err := h.writing.Acquire(ctx, 1); err != nil {
		return c.errorf("release", shard, err)
	}
	defer h.writing.Release(1)
	if err := c.release(ctx, h, after); err != nil {
		return err
	}
	c.log.InfoContext(ctx, "shard released", "shard", shard, "after", after)
	return nil
}

// State implements [eventsource.Leases].
func (c *Checkpoints) State(shard string) eventsource.LeaseState {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.mine[shard]
	switch {
	case h == nil || !c.isAlive():
		return eventsource.Lost
	case h.leaving:
		return eventsource.Leaving
	}
	return eventsource.Held
}

// Lease implements [eventsource.Leases].
func (c *Checkpoints) Lease() time.Duration { return c.lease }

// release writes a checkpoint and removes the owner. The caller holds
// h.writing.
func (c *Checkpoints) release(ctx context.Context, h *holding, after string) error {
	if err := c.write(ctx, h, lease{Term: h.term, Checkpoint: after}); err != nil {
		return err
	}
	c.drop(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deferred[h.shard] = deferral{since: c.now(), released: true}
	return nil
}

// write replaces the item of a lease. The caller holds h.writing.
func (c *Checkpoints) write(ctx context.Context, h *holding, l lease) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout/2)
	defer cancel()
	for range 3 {
		if c.isGone(h) {
			return c.errorf("save", h.shard, eventsource.ErrLeaseLost)
		}
		it, err := c.leaseItem(h.shard, l)
		if err != nil {
			return c.errorf("save", h.shard, err)
		}
		stored, err := c.table.Put(ctx, it, pipeline.AtVersion(h.version))
		if err == nil {
			h.version = stored.Version
			c.mu.Lock()
			h.after, h.written = l.Checkpoint, c.now()
			c.mu.Unlock()
			return nil
		}
		conflict, ok := errors.AsType[*pipeline.ConflictError](err)
		if !ok {
			return c.errorf("save", h.shard, err)
		}
		var current lease
		if conflict.Exists && conflict.Current.Decode(&current) == nil && current.Term == h.term {
			// An own write whose response was lost: no other copy uses the
			// term.
			h.version = conflict.Current.Version
			continue
		}
		if c.drop(h) {
			c.log.WarnContext(ctx, "lease lost", "shard", h.shard, "to", current.Owner)
		}
	}
	return c.errorf("save", h.shard, eventsource.ErrLeaseLost)
}

// drop forgets a lease. It returns false if it was forgotten already.
func (c *Checkpoints) drop(h *holding) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.gone {
		return false
	}
	h.gone = true
	delete(c.mine, h.shard)
	return true
}

func (c *Checkpoints) isGone(h *holding) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return h.gone
}

// holding returns the lease that this copy has of a shard, or nil.
func (c *Checkpoints) holding(shard string) *holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mine[shard]
}

// holds returns the checkpoint of a shard that this copy has.
func (c *Checkpoints) holds(shard string) (after string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.mine[shard]; h != nil {
		return h.after, true
	}
	return "", false
}

func (c *Checkpoints) errorf(action, shard string, err error) error {
	return fmt.Errorf("%s shard %q: %w", action, shard, err)
}
