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

// twice returns how often records were done again.
func (l *ledger) twice() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.done {
		n += times - 1
	}
	return n
}

func (l *ledger) times(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done[n]
}

func (l *ledger) all() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}

// TestSleeperReadsNoMore: a copy that slept past its lease reads an idle shard no
// more when it wakes, though it has nothing to save; the record that comes an hour
// later is done once. And it may have the shard again.
func TestSleeperReadsNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(1, 1))
		s, l := newStream(1), &ledger{t: t, done: make(map[int]int), last: make(map[string]int)}
		table := &watched{t: t, at: make(map[string]string)}
		a := startReader(t, table, s, l, "a")
		s.write(dice)
		time.Sleep(20 * time.Second)
		b := startReader(t, table, s, l, "b")
		time.Sleep(10 * time.Second)
		a.gate.close()
		time.Sleep(time.Minute)
		if a.State("shard-0") != eventsource.Lost || b.State("shard-0") != eventsource.Held {
			t.Fatalf("after the sleep: a %v, b %v", a.State("shard-0"), b.State("shard-0"))
		}
		a.gate.open()
		time.Sleep(time.Hour)
		s.write(dice)
		time.Sleep(10 * time.Second)
		if l.times(s.made) != 1 || a.Held() != 0 || b.Held() != 1 {
			t.Errorf("a record written an hour after the waking was done %d times; a has %d shards, b %d", l.times(s.made), a.Held(), b.Held())
		}
		b.end()
		time.Sleep(10 * time.Second)
		s.write(dice)
		time.Sleep(10 * time.Second)
		if l.times(s.made) != 1 || a.Held() != 1 {
			t.Errorf("the record after b left was done %d times; a has %d shards", l.times(s.made), a.Held())
		}
	})
}

// TestSleeperInvokesNoMore: a batch that was gathered before the sleep is not
// handed to the function after it, before anything else could tell the sleeper.
func TestSleeperInvokesNoMore(t *testing.T) {
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
		// The others count from after the last heartbeat; it counts from before it.
		if d := time.Since(began); d > a.quiet || d < a.quiet-a.every-10*time.Millisecond {
			t.Errorf("it stops %v after the last call went through; others may take the shard after %v", d, a.quiet)
		}
		if a.Alive() {
			t.Error("it says that its heart beats")
		}
		// Nobody took it: it has it again after one look, without a write.
		a.gate.open()
		time.Sleep(2 * a.every)
		if got := a.State("s"); got != eventsource.Held || !a.Alive() {
			t.Errorf("after the waking: %v, want held: nobody took the shard", got)
		}
	})
}

// TestWakingHeartWaitsForALook: the first heartbeat after a long silence proves
// nothing: only a look that began after it shows what is still this copy's.
func TestWakingHeartWaitsForALook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		c := New(table, testFeed, Options{Name: "a"})
		b := start(t, table, "b", Options{})
		if _, err := c.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if _, _, got := ask(t, b, "s", time.Hour); !got {
			t.Fatal("not taken over from a copy whose heart does not beat")
		}
		for range 3 {
			if err := c.beat(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := c.State("s"); got != eventsource.Lost {
				t.Fatalf("after a heartbeat and no look: %v", got)
			}
		}
		if err := c.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.Held() != 0 || !c.Alive() {
			t.Errorf("after the look it has %d shards, alive %v", c.Held(), c.Alive())
		}
	})
}

// TestIdleShardsAreShared: shards on which nothing happens are handed over too,
// and those that never had a record.
func TestIdleShardsAreShared(t *testing.T) {
	t.Parallel()
	for _, records := range []int{0, 12} {
		t.Run(fmt.Sprint(records, " records"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dice := rand.New(rand.NewPCG(1, 1))
				s, l := newStream(6), &ledger{t: t, done: make(map[int]int), last: make(map[string]int)}
				table := &watched{t: t, at: make(map[string]string)}
				a := startReader(t, table, s, l, "a")
				for range records {
					s.write(dice)
				}
				time.Sleep(20 * time.Second)
				b := startReader(t, table, s, l, "b")
				time.Sleep(5 * time.Minute)
				if a.Held() != 3 || b.Held() != 3 {
					t.Errorf("after five idle minutes a has %d shards and b %d, want 3 each", a.Held(), b.Held())
				}
				for range 50 {
					s.write(dice)
				}
				time.Sleep(time.Minute)
				if l.all() != s.made || l.twice() != 0 {
					t.Errorf("%d of %d records are done, %d twice", l.all(), s.made, l.twice())
				}
			})
		})
	}
}

// cutOff is a copy's way to the table that fails while down.
type cutOff struct {
	pipeline.Table
	mu   sync.Mutex
	down bool
}

var errDown = errors.New("throttled")

func (c *cutOff) set(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

func (c *cutOff) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errDown
	}
	return nil
}

func (c *cutOff) Put(ctx context.Context, it pipeline.Item, cond pipeline.Condition) (pipeline.Item, error) {
	if err := c.err(); err != nil {
		return pipeline.Item{}, err
	}
	return c.Table.Put(ctx, it, cond)
}

func (c *cutOff) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if err := c.err(); err != nil {
		return pipeline.Item{}, err
	}
	return c.Table.Get(ctx, k)
}

func (c *cutOff) Query(ctx context.Context, pk, prefix string) iter.Seq2[pipeline.Item, error] {
	if err := c.err(); err != nil {
		return func(yield func(pipeline.Item, error) bool) { yield(pipeline.Item{}, err) }
	}
	return c.Table.Query(ctx, pk, prefix)
}

// TestOwnerWithoutTheTable: an owner that reads the stream and cannot reach the
// table stops before another copy begins. What it did since its last save comes
// again, and nothing more; then it works on as before.
func TestOwnerWithoutTheTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(1, 1))
		s, l := newStream(1), &ledger{t: t, done: make(map[int]int), last: make(map[string]int)}
		table := &watched{t: t, at: make(map[string]string)}
		way := &cutOff{Table: table}
		a := startReader(t, way, s, l, "a")
		time.Sleep(10 * time.Second)
		b := startReader(t, table, s, l, "b")
		time.Sleep(10 * time.Second)
		way.set(true)
		const records = 600
		for range records {
			s.write(dice)
			time.Sleep(time.Second)
		}
		if most := int(a.quiet/time.Second) + 1; l.twice() > most || l.all() < records-1 {
			t.Errorf("%d of %d records are done, %d twice, at most the %d of a silence may be", l.all(), s.made, l.twice(), most)
		}
		if b.Held() != 1 || a.Alive() {
			t.Errorf("b has %d shards, a believes that it is alive: %v", b.Held(), a.Alive())
		}
		way.set(false)
		b.end()
		before := l.twice()
		for range 60 {
			s.write(dice)
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		if l.all() != s.made || l.twice() != before || a.Held() != 1 {
			t.Errorf("a again: %d of %d records done, %d more twice, %d shards", l.all(), s.made, l.twice()-before, a.Held())
		}
	})
}
