// Package leases lets several copies of a mapping share a change feed: the
// checkpoints of its shards in a table, each under a lease.
//
// The table holds one item a shard (its owner and its checkpoint) and one item a
// copy, which the copy writes again and again: its heartbeat. A shard belongs to
// the copy that its item names. When that copy's heartbeat is silent for too
// long, another takes the shard, by a write that holds only on the version that
// was read. From then on the version that the first owner knows, its token, is
// stale: whatever it does when it wakes, it can save nothing, and reads no more.
//
// Nobody compares clocks of two machines. A copy is silent when its heartbeat's
// version, which is new with each write, was seen unchanged over a span on the
// observer's own clock. So clocks may be hours apart, and an observer that slept
// itself has seen nothing in that time and takes nothing.
//
// The heartbeat is the copy's and not the shard's, so that a copy with a hundred
// shards writes no more often than one with one.
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

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// Bounds of a lease.
const (
	DefaultLease = 30 * time.Second
	MinLease     = 10 * time.Second

	// mappingLooks is how often a mapping asks for shards that it does not read.
	mappingLooks = 5 * time.Second
	beatsALease  = 15
	remember     = 7 * 24 * time.Hour // a stream keeps its records for one day
)

// Options of checkpoints. The zero value is right for most.
type Options struct {
	// Lease is how long a shard stands still at most when its owner dies: by
	// then another copy reads it. Zero is 30 s, less than 10 s is 10 s. All
	// copies should have the same.
	Lease time.Duration
	// Name tells people which copy this is. Empty is the host and the process id.
	Name string
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Logger is told of shards that are taken, lost and handed over. Nil
	// discards.
	Logger *slog.Logger
}

// Checkpoints are one copy's [eventsource.Checkpoints] over a feed. Safe for
// concurrent use, by one mapping.
//
// Run must run beside the mapping: it is the heart that beats. Copies share
// fairly: one that has at least two shards more than another hands some over,
// each at its next save, so that nothing is done twice. A shard on which nothing
// happens is not handed over; it costs nothing.
type Checkpoints struct {
	table pipeline.Table
	pk    string
	owner string
	lease time.Duration
	every time.Duration // between heartbeats
	quiet time.Duration // silence after which a copy counts as dead
	now   func() time.Time
	log   *slog.Logger

	beating sync.Mutex // one heartbeat at a time
	beats   int

	mu      sync.Mutex
	view    view
	joined  bool
	left    bool
	asked   time.Time           // the last Load
	mine    map[string]*holding // by shard
	waived  map[string]waiver   // by shard: left to others for now
	sighted map[string]sighting // by owner
}

var _ eventsource.Checkpoints = (*Checkpoints)(nil)

// holding is a lease that this copy has.
type holding struct {
	shard string
	term  string // names this acquisition, in the item too

	mu      sync.Mutex // one write at a time; guards what follows
	version string     // the token: the item's version
	after   string
	written time.Time
	gone    bool // lost or handed over

	leaving bool // guarded by Checkpoints.mu: hand it over with the next save
}

// New returns the checkpoints of a new copy for a feed, which feed names: its
// ARN. It writes nothing.
func New(table pipeline.Table, feed string, o Options) *Checkpoints {
	lease := max(cmp.Or(o.Lease, DefaultLease), MinLease)
	every := lease / beatsALease
	c := &Checkpoints{
		table: table,
		pk:    "lease#" + feed,
		owner: cmp.Or(o.Name, defaultName()) + "/" + rand.Text(),
		lease: lease,
		every: every,
		// A heartbeat is seen by the next look, missed by another one, and then
		// the mapping has to ask. Two beats more are for slow calls.
		quiet:   lease - mappingLooks - 4*every,
		now:     o.Now,
		log:     o.Logger,
		mine:    make(map[string]*holding),
		waived:  make(map[string]waiver),
		sighted: make(map[string]sighting),
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

// Owner is this copy's name in the table: Options.Name, a slash, and what makes
// it unique.
func (c *Checkpoints) Owner() string { return c.owner }

// Held returns how many shards this copy has.
func (c *Checkpoints) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mine)
}

// Load implements [eventsource.Checkpoints]: it takes the lease of the shard, if
// nobody has it and this copy has not more than its share.
func (c *Checkpoints) Load(ctx context.Context, shard string) (after string, err error) {
	c.mu.Lock()
	c.asked = c.now()
	c.mu.Unlock()
	if err := c.join(ctx); err != nil {
		return "", err
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

// take writes this copy's name into the item of a shard.
func (c *Checkpoints) take(ctx context.Context, shard string, current lease, condition pipeline.Condition) (string, error) {
	h := &holding{shard: shard, term: rand.Text(), after: current.Checkpoint, written: c.now()}
	it, err := c.leaseItem(shard, lease{Owner: c.owner, Term: h.term, Checkpoint: h.after})
	if err != nil {
		return "", c.errorf("take", shard, err)
	}
	stored, err := c.table.Put(ctx, it, condition)
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok {
		return "", c.errorf("take", shard, eventsource.ErrLeased) // another was faster
	}
	if err != nil {
		// Should it have been written after all, the next Load finds our name.
		return "", c.errorf("take", shard, err)
	}
	h.version = stored.Version
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mine[shard] = h
	delete(c.waived, shard)
	if current.Owner != "" && current.Owner != c.owner {
		c.log.WarnContext(ctx, "shard taken over from a copy that is silent", "shard", shard, "from", current.Owner, "after", h.after)
	} else {
		c.log.InfoContext(ctx, "shard taken", "shard", shard, "after", h.after)
	}
	return h.after, nil
}

// Save implements [eventsource.Checkpoints]. ErrLeaseLost also says that the
// shard was handed over, and then the checkpoint is saved.
func (c *Checkpoints) Save(ctx context.Context, shard, after string) error {
	c.mu.Lock()
	h := c.mine[shard]
	leaving := h != nil && h.leaving
	c.mu.Unlock()
	if h == nil {
		return c.errorf("save", shard, eventsource.ErrLeaseLost)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if after == eventsource.ShardEnd {
		return c.give(ctx, h, after)
	}
	if leaving {
		if err := c.give(ctx, h, after); err != nil {
			return err
		}
		c.log.InfoContext(ctx, "shard handed over", "shard", shard, "after", after)
		return fmt.Errorf("save shard %q: handed over to a copy that has fewer: %w", shard, eventsource.ErrLeaseLost)
	}
	return c.write(ctx, h, lease{Owner: c.owner, Term: h.term, Checkpoint: after})
}

// give writes a checkpoint and that nobody has the shard. The caller holds h.mu.
func (c *Checkpoints) give(ctx context.Context, h *holding, after string) error {
	if err := c.write(ctx, h, lease{Term: h.term, Checkpoint: after}); err != nil {
		return err
	}
	c.drop(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waived[h.shard] = waiver{since: c.now(), gave: true}
	return nil
}

// write replaces the item of a lease. The caller holds h.mu.
func (c *Checkpoints) write(ctx context.Context, h *holding, l lease) error {
	for range 3 {
		if h.gone {
			return c.errorf("save", h.shard, eventsource.ErrLeaseLost)
		}
		it, err := c.leaseItem(h.shard, l)
		if err != nil {
			return c.errorf("save", h.shard, err)
		}
		stored, err := c.table.Put(ctx, it, pipeline.AtVersion(h.version))
		if err == nil {
			h.version, h.after, h.written = stored.Version, l.Checkpoint, c.now()
			return nil
		}
		conflict, ok := errors.AsType[*pipeline.ConflictError](err)
		if !ok {
			return c.errorf("save", h.shard, err)
		}
		var current lease
		if conflict.Exists && conflict.Current.Decode(&current) == nil && current.Term == h.term {
			// Our own write, whose answer was lost: the term is ours alone.
			h.version = conflict.Current.Version
			continue
		}
		c.drop(h)
		c.log.WarnContext(ctx, "lease lost", "shard", h.shard, "to", current.Owner, "after", h.after)
	}
	return c.errorf("save", h.shard, eventsource.ErrLeaseLost)
}

// drop forgets a lease. The caller holds h.mu.
func (c *Checkpoints) drop(h *holding) {
	h.gone = true
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mine[h.shard] == h {
		delete(c.mine, h.shard)
	}
}

// holds returns the checkpoint of a shard that this copy has.
func (c *Checkpoints) holds(shard string) (after string, ok bool) {
	c.mu.Lock()
	h := c.mine[shard]
	c.mu.Unlock()
	if h == nil {
		return "", false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.after, !h.gone
}

func (c *Checkpoints) errorf(action, shard string, err error) error {
	return fmt.Errorf("%s shard %q: %w", action, shard, err)
}
