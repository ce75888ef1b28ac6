package leases

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// twice returns how often records were processed again.
func (l *processed) twice() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.done {
		n += times - 1
	}
	return n
}

func (l *processed) times(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done[n]
}

func (l *processed) all() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}

// TestSuspendedCopyStopsReading: a copy that was suspended past its lease stops
// reading an idle shard when it resumes, although it has nothing to save. A
// record that is written an hour later is processed once. The copy may take the
// shard again.
func TestSuspendedCopyStopsReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(1, 1))
		s, l := newStream(1), &processed{t: t, done: make(map[int]int), last: make(map[string]int)}
		table := &checkedTable{t: t, at: make(map[string]string)}
		a := startReader(t, table, s, l, "a")
		s.write(dice)
		time.Sleep(20 * time.Second)
		b := startReader(t, table, s, l, "b")
		time.Sleep(10 * time.Second)
		a.gate.close()
		time.Sleep(time.Minute)
		if a.State("shard-0") != eventsource.Lost || b.State("shard-0") != eventsource.Held {
			t.Fatalf("states while a is suspended: got a %v and b %v, want lost and held", a.State("shard-0"), b.State("shard-0"))
		}
		a.gate.open()
		time.Sleep(time.Hour)
		s.write(dice)
		time.Sleep(10 * time.Second)
		if l.times(s.made) != 1 || a.Held() != 0 || b.Held() != 1 {
			t.Errorf("record written an hour later: processed %d times, a has %d shards and b %d; want 1, 0 and 1", l.times(s.made), a.Held(), b.Held())
		}
		b.end()
		time.Sleep(10 * time.Second)
		s.write(dice)
		time.Sleep(10 * time.Second)
		if l.times(s.made) != 1 || a.Held() != 1 {
			t.Errorf("record written after b ended: processed %d times, a has %d shards; want 1 and 1", l.times(s.made), a.Held())
		}
	})
}

// TestLeaseIsLostWithoutHeartbeats: the state is Lost before another copy may
// take the shard, without a call of the table.
func TestLeaseIsLostWithoutHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a := start(t, table, "a", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		a.gate.close()
		began := time.Now()
		for a.State("s") == eventsource.Held {
			time.Sleep(10 * time.Millisecond)
		}
		// Other copies measure from the end of the last heartbeat, this copy
		// from its beginning.
		if d := time.Since(began); d > a.timeout || d < a.timeout-a.interval-10*time.Millisecond {
			t.Errorf("lost %v after the last call; other copies may take the shard after %v", d, a.timeout)
		}
		if a.Alive() {
			t.Error("Alive: got true, want false without heartbeats")
		}
		// No copy took the shard: this copy has it again after a scan, without
		// a write.
		a.gate.open()
		time.Sleep(2 * a.interval)
		if got := a.State("s"); got != eventsource.Held || !a.Alive() {
			t.Errorf("state after it resumed: got %v, want held: no copy took the shard", got)
		}
	})
}

// TestLateHeartbeatNeedsAScan: after a timeout a heartbeat alone does not
// restore the leases. A scan that began after it shows which were taken.
func TestLateHeartbeatNeedsAScan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		c := New(table, testFeed, Options{Name: "a"})
		b := start(t, table, "b", Options{})
		if _, err := c.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if _, _, got := ask(t, b, "s", time.Hour); !got {
			t.Fatal("not taken over from a copy without heartbeats")
		}
		for range 3 {
			if err := c.sendHeartbeat(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := c.State("s"); got != eventsource.Lost {
				t.Fatalf("state after a heartbeat without a scan: got %v, want lost", got)
			}
		}
		if err := c.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.Held() != 0 || !c.Alive() {
			t.Errorf("after the scan: got %d shards and alive %v, want 0 and true", c.Held(), c.Alive())
		}
	})
}

// TestIdleShardsAreBalanced: shards without new records are released too, and
// those that never had a record.
func TestIdleShardsAreBalanced(t *testing.T) {
	t.Parallel()
	for _, records := range []int{0, 12} {
		t.Run(fmt.Sprint(records, " records"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dice := rand.New(rand.NewPCG(1, 1))
				s, l := newStream(6), &processed{t: t, done: make(map[int]int), last: make(map[string]int)}
				table := &checkedTable{t: t, at: make(map[string]string)}
				a := startReader(t, table, s, l, "a")
				for range records {
					s.write(dice)
				}
				time.Sleep(20 * time.Second)
				b := startReader(t, table, s, l, "b")
				time.Sleep(5 * time.Minute)
				if a.Held() != 3 || b.Held() != 3 {
					t.Errorf("after five idle minutes: a has %d shards and b %d, want 3 each", a.Held(), b.Held())
				}
				for range 50 {
					s.write(dice)
				}
				time.Sleep(time.Minute)
				if l.all() != s.made || l.twice() != 0 {
					t.Errorf("processed %d of %d records, %d twice; want all once", l.all(), s.made, l.twice())
				}
			})
		})
	}
}

// failingTable is the table of one copy. Its calls fail while it is down.
type failingTable struct {
	pipeline.Table
	mu   sync.Mutex
	down bool
}

var errDown = errors.New("throttled")

func (c *failingTable) set(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

func (c *failingTable) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errDown
	}
	return nil
}

func (c *failingTable) Put(ctx context.Context, it pipeline.Item, cond pipeline.Condition) (pipeline.Item, error) {
	if err := c.err(); err != nil {
		return pipeline.Item{}, err
	}
	return c.Table.Put(ctx, it, cond)
}

func (c *failingTable) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if err := c.err(); err != nil {
		return pipeline.Item{}, err
	}
	return c.Table.Get(ctx, k)
}

func (c *failingTable) Query(ctx context.Context, pk, prefix string) iter.Seq2[pipeline.Item, error] {
	if err := c.err(); err != nil {
		return func(yield func(pipeline.Item, error) bool) { yield(pipeline.Item{}, err) }
	}
	return c.Table.Query(ctx, pk, prefix)
}

// TestOwnerWithoutTheTableStops: an owner that reads the stream and cannot
// reach the table stops before another copy begins. Only the records since its
// last save are processed again. It continues when it can reach the table.
func TestOwnerWithoutTheTableStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(1, 1))
		s, l := newStream(1), &processed{t: t, done: make(map[int]int), last: make(map[string]int)}
		table := &checkedTable{t: t, at: make(map[string]string)}
		link := &failingTable{Table: table}
		a := startReader(t, link, s, l, "a")
		time.Sleep(10 * time.Second)
		b := startReader(t, table, s, l, "b")
		time.Sleep(10 * time.Second)
		link.set(true)
		const records = 600
		for range records {
			s.write(dice)
			time.Sleep(time.Second)
		}
		if most := int(a.timeout/time.Second) + 1; l.twice() > most || l.all() < records-1 {
			t.Errorf("processed %d of %d records, %d twice; want all, and at most the %d of one timeout twice", l.all(), s.made, l.twice(), most)
		}
		if b.Held() != 1 || a.Alive() {
			t.Errorf("got %d shards of b and alive %v of a, want 1 and false", b.Held(), a.Alive())
		}
		link.set(false)
		b.end()
		before := l.twice()
		for range 60 {
			s.write(dice)
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		if l.all() != s.made || l.twice() != before || a.Held() != 1 {
			t.Errorf("a with the table again: processed %d of %d records, %d more twice, and has %d shards; want all, 0 and 1", l.all(), s.made, l.twice()-before, a.Held())
		}
	})
}
