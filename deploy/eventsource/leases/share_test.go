package leases

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

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
// saves each that it has. No shard may have two owners in it.
func (c *crew) round(copies ...*copyOf) map[string]int {
	c.t.Helper()
	counts := make(map[string]int)
	for _, shard := range c.shards {
		owners := 0
		for _, copy := range copies {
			if _, err := copy.Load(c.t.Context(), shard); err == nil {
				owners++
				c.saves++
				if err := copy.Save(c.t.Context(), shard, fmt.Sprint(c.saves)); err == nil {
					counts[copy.Owner()]++
				} else if !isLost(err) {
					c.t.Fatal(err)
				} else {
					owners--
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
				b, d := start(t, c.table, "b", Options{}), start(t, c.table, "d", Options{})
				c.settled(5*time.Minute, a, b)
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

// TestNothingIsLeftToNobody: a copy that lives and takes nothing, because its
// mapping hangs, keeps no shard from the others.
func TestNothingIsLeftToNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &crew{t: t, table: &tabletest.Memory{}, shards: []string{"1", "2", "3", "4"}}
		a, hangs := start(t, c.table, "a", Options{}), start(t, c.table, "hangs", Options{})
		synctest.Wait()
		began := time.Now()
		for len(c.round(a)) == 0 || a.Held() < len(c.shards) {
			if time.Since(began) > 2*a.lease {
				t.Fatalf("after %v it has %d of 4 shards", time.Since(began), a.Held())
			}
		}
	})
}
