// Package leases lets several copies of a mapping share a change feed: the
// checkpoints of its shards in a table, each under a lease.
//
// The table holds one item a shard (its owner and its checkpoint) and one item a
// copy, which the copy writes again and again: its heartbeat. A shard belongs to
// the copy that its item names. When that copy's heartbeat is silent for too
// long, another takes the shard, by a write that holds only on the version that
// was read. From then on the version that the first owner knows, its token, is
// stale: whatever it does when it wakes, it can save nothing.
//
// Nor does it read on. An owner counts the time since its last good heartbeat
// began, and after that same silence takes its own leases for lost, whether
// another copy took them or not: so it stops before anyone may begin, also when
// it can reach the feed and not the table. What it had handed to the function
// before is not called back: that batch may be done twice.
//
// Nobody compares clocks of two machines. A copy is silent when its heartbeat's
// version, which is new with each write, was seen unchanged over a span on the
// observer's own clock. So clocks may be hours apart, and an observer that slept
// itself has seen nothing in that time and takes nothing. Only the rate of the
// clocks must agree, and a clock must go on while its process sleeps.
//
// The heartbeat is the copy's and not the shard's, so that a copy with a hundred
// shards writes no more often than one with one. At each beat a copy also reads
// the items of all copies and of all shards that are not finished, so a feed's
// reads grow with the square of its copies: a copy more than there are shards
// has nothing to do.
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
	// MinLease leaves room for two heartbeats in a row that get no answer.
	MinLease = 15 * time.Second

	// mappingLooks is how often a mapping asks for shards that it does not read.
	mappingLooks = 5 * time.Second
	beatsALease  = 15
	remember     = 7 * 24 * time.Hour
	// rememberEnd is how long a finished shard is known as such: a stream lists
	// it for a day.
	rememberEnd = 3 * 24 * time.Hour
)

// Options of checkpoints. The zero value is right for most.
type Options struct {
	// Lease is how long a shard stands still at most when its owner dies: by
	// then another copy reads it. Zero is 30 s, less than 15 s is 15 s. All
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

// Checkpoints are one copy's [eventsource.Checkpoints] and [eventsource.Leases]
// over a feed. Safe for concurrent use, by one mapping.
//
// Run must run beside the mapping: it is the heart that beats. Copies share
// fairly: one that has at least two shards more than another hands some over,
// each when what runs of it has ended, so that nothing is done twice.
type Checkpoints struct {
	table pipeline.Table
	feed  string
	pk    string
	owner string
	lease time.Duration
	every time.Duration // between heartbeats
	quiet time.Duration // silence after which a copy counts as dead
	now   func() time.Time
	log   *slog.Logger

	beating turn // one heartbeat at a time
	beats   int
	looking turn // one look at a time

	mu      sync.Mutex
	view    view
	good    time.Time // when the last good heartbeat began
	late    lateBeat
	joined  bool
	left    bool
	asked   time.Time           // the last Load
	mine    map[string]*holding // by shard
	waived  map[string]waiver   // by shard: left to others for now
	sighted map[string]sighting // by owner
}

var (
	_ eventsource.Checkpoints = (*Checkpoints)(nil)
	_ eventsource.Leases      = (*Checkpoints)(nil)
)

// holding is a lease that this copy has.
type holding struct {
	shard string
	term  string // names this acquisition, in the item too

	// writing is held over a call of the table: the heart never waits for it.
	writing turn
	version string // the token: the item's version; guarded by writing

	// Guarded by Checkpoints.mu.
	after   string
	written time.Time
	gone    bool // lost or given back
	leaving bool // another copy should have it
}

// New returns the checkpoints of a new copy for a feed, which feed names: its
// ARN. It writes nothing.
func New(table pipeline.Table, feed string, o Options) *Checkpoints {
	lease := max(cmp.Or(o.Lease, DefaultLease), MinLease)
	every := lease / beatsALease
	c := &Checkpoints{
		table:   table,
		feed:    feed,
		beating: newTurn(),
		looking: newTurn(),
		pk:      "lease#" + feed,
		owner:   cmp.Or(o.Name, defaultName()) + "/" + rand.Text(),
		lease:   lease,
		every:   every,
		// A heartbeat is seen by the next look, missed by another one, and then
		// the mapping has to ask. Two beats more are for slow calls.
		//
		// A heartbeat without an answer is given up after a quarter of it. Two of
		// those and the beat before them are every + 3/4 quiet, up to the answer
		// of the third one: less than quiet from MinLease on.
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
	ctx, cancel := context.WithTimeout(ctx, c.quiet)
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

// take writes this copy's name into the item of a shard.
func (c *Checkpoints) take(ctx context.Context, shard string, current lease, condition pipeline.Condition) (string, error) {
	h := &holding{shard: shard, writing: newTurn(), term: rand.Text(), after: current.Checkpoint, written: c.now()}
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

// Save implements [eventsource.Checkpoints]. It needs the token and not a good
// heartbeat: what was done before the table could not be reached is saved when it
// can be, if no other copy has the shard. It gives up on a slow table after half
// of the silence that costs a lease.
func (c *Checkpoints) Save(ctx context.Context, shard, after string) error {
	h := c.holding(shard)
	if h == nil {
		return c.errorf("save", shard, eventsource.ErrLeaseLost)
	}
	ctx, cancel := context.WithTimeout(ctx, c.quiet/2)
	defer cancel()
	if err := h.writing.take(ctx); err != nil {
		return c.errorf("save", shard, err)
	}
	defer h.writing.give()
	if after == eventsource.ShardEnd {
		return c.give(ctx, h, after)
	}
	return c.write(ctx, h, lease{Owner: c.owner, Term: h.term, Checkpoint: after})
}

// Release implements [eventsource.Leases].
func (c *Checkpoints) Release(ctx context.Context, shard, after string) error {
	h := c.holding(shard)
	if h == nil {
		return c.errorf("release", shard, eventsource.ErrLeaseLost)
	}
	if err := h.writing.take(ctx); err != nil {
		return c.errorf("release", shard, err)
	}
	defer h.writing.give()
	if err := c.give(ctx, h, after); err != nil {
		return err
	}
	c.log.InfoContext(ctx, "shard handed over", "shard", shard, "after", after)
	return nil
}

// State implements [eventsource.Leases].
func (c *Checkpoints) State(shard string) eventsource.LeaseState {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.mine[shard]
	switch {
	case h == nil || !c.isGood():
		return eventsource.Lost
	case h.leaving:
		return eventsource.Leaving
	}
	return eventsource.Held
}

// Lease implements [eventsource.Leases].
func (c *Checkpoints) Lease() time.Duration { return c.lease }

// give writes a checkpoint and that nobody has the shard. The caller holds
// h.writing.
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

// write replaces the item of a lease. The caller holds h.writing.
func (c *Checkpoints) write(ctx context.Context, h *holding, l lease) error {
	ctx, cancel := context.WithTimeout(ctx, c.quiet/2)
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
			// Our own write, whose answer was lost: the term is ours alone.
			h.version = conflict.Current.Version
			continue
		}
		if c.drop(h) {
			c.log.WarnContext(ctx, "lease lost", "shard", h.shard, "to", current.Owner)
		}
	}
	return c.errorf("save", h.shard, eventsource.ErrLeaseLost)
}

// drop forgets a lease. It returns false when that was done before.
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
