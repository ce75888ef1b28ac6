package leases

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline/tabletest"
)

// group is copies that read shards as mappings do.
type group struct {
	t      *testing.T
	table  *tabletest.Memory
	shards []string
	saves  int
}

// round is one loadInterval: each copy loads each shard, and saves those that
// it has or releases those that other copies wait for. It fails if a shard has
// two owners, and returns the number of shards of each copy.
func (c *group) round(copies ...*copyOf) map[string]int {
	c.t.Helper()
	counts := make(map[string]int)
	for _, shard := range c.shards {
		owners := 0
		for _, copy := range copies {
			if _, err := copy.Load(c.t.Context(), shard); err == nil {
				switch copy.State(shard) {
				case eventsource.Held:
					owners++
					c.saves++
					save(c.t, copy, shard, fmt.Sprint(c.saves))
					counts[copy.Owner()]++
				case eventsource.Leaving:
					if err := copy.Release(c.t.Context(), shard, fmt.Sprint(c.saves)); err != nil {
						c.t.Fatal(err)
					}
				default:
					c.t.Fatalf("%s: shard %q was loaded and its state is lost", copy.Owner(), shard)
				}
			} else if !isLeased(err) {
				c.t.Fatal(err)
			}
		}
		if owners > 1 {
			c.t.Fatalf("shard %q: got %d owners, want at most 1", shard, owners)
		}
	}
	time.Sleep(loadInterval)
	return counts
}

// balanced runs rounds until every shard has an owner and no two copies differ
// by more than one shard.
func (c *group) balanced(within time.Duration, copies ...*copyOf) {
	c.t.Helper()
	began := time.Now()
	var counts map[string]int
	for time.Since(began) <= within {
		counts = c.round(copies...)
		total, most, least := 0, 0, len(c.shards)
		for _, copy := range copies {
			n := counts[copy.Owner()]
			total, most, least = total+n, max(most, n), min(least, n)
		}
		if total == len(c.shards) && most-least <= 1 {
			return
		}
	}
	c.t.Fatalf("shards of the copies after %v: got %v, want them balanced", within, counts)
}

func TestCopiesBalanceTheShards(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 2, 3, 4, 7, 24} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &group{t: t, table: &tabletest.Memory{}}
				for i := range shards {
					c.shards = append(c.shards, fmt.Sprint("s", i))
				}
				a := start(t, c.table, "a", Options{})
				synctest.Wait()
				c.balanced(10*time.Second, a)
				b := start(t, c.table, "b", Options{})
				c.balanced(5*time.Minute, a, b)
				d := start(t, c.table, "d", Options{})
				c.balanced(5*time.Minute, a, b, d)
				for range 20 { // the balance is stable
					if n := len(c.round(a, b, d)); n != min(3, shards) {
						t.Fatalf("copies with shards: got %d, want %d", n, min(3, shards))
					}
				}
				d.stop()
				c.balanced(time.Minute, a, b)
				a.gate.close() // dead
				c.balanced(b.lease+loadInterval, b)
			})
		})
	}
}

// TestCopyThatLoadsNothingHasNoShare: no shard waits for a mapping that hangs.
func TestCopyThatLoadsNothingHasNoShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &group{t: t, table: &tabletest.Memory{}, shards: []string{"1", "2", "3", "4"}}
		a, hangs := start(t, c.table, "a", Options{}), start(t, c.table, "hangs", Options{})
		synctest.Wait()
		c.balanced(10*time.Second, a)
		// It loads one shard and then hangs.
		if _, err := hangs.Load(t.Context(), "1"); !isLeased(err) {
			t.Fatal(err)
		}
		for range 5 { // until scans show it
			c.round(a)
		}
		for range 20 {
			if n := c.round(a)[a.Owner()]; n != len(c.shards) {
				t.Fatalf("shards read: got %d, want 4", n)
			}
		}
	})
}

// TestDeferredShardIsTakenAfterALease: a copy takes a shard that it left to
// other copies if none has taken it.
func TestDeferredShardIsTakenAfterALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &group{t: t, table: &tabletest.Memory{}, shards: []string{"1", "2", "3", "4"}}
		a, picky := start(t, c.table, "a", Options{}), start(t, c.table, "picky", Options{})
		synctest.Wait()
		// picky loads only one shard, which the group does not read.
		if _, err := picky.Load(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * a.interval)
		if counts := c.round(a); counts[a.Owner()] == len(c.shards) {
			t.Fatalf("shards: got %v, want a to leave some of five to the other copy", counts)
		}
		began := time.Now()
		for a.Held() < len(c.shards) {
			if _, err := picky.Load(t.Context(), "other"); err != nil {
				t.Fatal(err)
			}
			if c.round(a); time.Since(began) > 2*a.lease {
				t.Fatalf("shards after %v: got %d, want 4", time.Since(began), a.Held())
			}
		}
	})
}
