package leases

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline/tabletest"
)

// crew is some copies that read shards as mappings do.
type crew struct {
	t      *testing.T
	table  *tabletest.Memory
	shards []string
	saves  int
}

// round is what happens in five seconds: each copy asks for each shard, and
// saves each that it has, or gives it back when others wait for it. No shard may have two owners in it.
func (c *crew) round(copies ...*copyOf) map[string]int {
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
					c.t.Fatalf("%s has shard %q and may not read it", copy.Owner(), shard)
				}
			} else if !isLeased(err) {
				c.t.Fatal(err)
			}
		}
		if owners > 1 {
			c.t.Fatalf("shard %q has %d owners", shard, owners)
		}
	}
	time.Sleep(mappingLooks)
	return counts
}

// settled runs rounds until every shard has an owner and no two copies are more
// than one apart.
func (c *crew) settled(within time.Duration, copies ...*copyOf) {
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
	c.t.Fatalf("after %v the shards are shared as %v", within, counts)
}

func TestCopiesShareFairly(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 2, 3, 4, 7, 24} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &crew{t: t, table: &tabletest.Memory{}}
				for i := range shards {
					c.shards = append(c.shards, fmt.Sprint("s", i))
				}
				a := start(t, c.table, "a", Options{})
				synctest.Wait()
				c.settled(10*time.Second, a)
				b := start(t, c.table, "b", Options{})
				c.settled(5*time.Minute, a, b)
				d := start(t, c.table, "d", Options{})
				c.settled(5*time.Minute, a, b, d)
				for range 20 { // and stays so
					if n := len(c.round(a, b, d)); n != min(3, shards) {
						t.Fatalf("%d copies have shards", n)
					}
				}
				d.stop()
				c.settled(time.Minute, a, b)
				a.gate.close() // dead
				c.settled(b.lease+mappingLooks, b)
			})
		})
	}
}

// TestACopyThatAsksForNothing has no share, so that nothing waits for it.
func TestACopyThatAsksForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &crew{t: t, table: &tabletest.Memory{}, shards: []string{"1", "2", "3", "4"}}
		a, hangs := start(t, c.table, "a", Options{}), start(t, c.table, "hangs", Options{})
		synctest.Wait()
		c.settled(10*time.Second, a)
		// It asked once, and hangs from then on.
		if _, err := hangs.Load(t.Context(), "1"); !isLeased(err) {
			t.Fatal(err)
		}
		for range 5 { // until that is seen
			c.round(a)
		}
		for range 20 {
			if n := c.round(a)[a.Owner()]; n != len(c.shards) {
				t.Fatalf("%d of 4 shards are read", n)
			}
		}
	})
}

// TestNothingIsLeftToNobody: what a copy leaves to others and they do not take,
// it takes after a lease.
func TestNothingIsLeftToNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &crew{t: t, table: &tabletest.Memory{}, shards: []string{"1", "2", "3", "4"}}
		a, picky := start(t, c.table, "a", Options{}), start(t, c.table, "picky", Options{})
		synctest.Wait()
		// picky asks, but only for a shard that is not there.
		if _, err := picky.Load(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * a.every)
		if counts := c.round(a); counts[a.Owner()] == len(c.shards) {
			t.Fatalf("%v: want it to leave some of five shards to the other", counts)
		}
		began := time.Now()
		for a.Held() < len(c.shards) {
			if _, err := picky.Load(t.Context(), "other"); err != nil {
				t.Fatal(err)
			}
			if c.round(a); time.Since(began) > 2*a.lease {
				t.Fatalf("after %v it has %d of 4 shards", time.Since(began), a.Held())
			}
		}
	})
}
