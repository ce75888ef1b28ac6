package leases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

func isLeased(err error) bool { return errors.Is(err, eventsource.ErrLeased) }
func isLost(err error) bool   { return errors.Is(err, eventsource.ErrLeaseLost) }

func save(t *testing.T, c *copyOf, shard, after string) {
	t.Helper()
	if err := c.Save(t.Context(), shard, after); err != nil {
		t.Fatalf("%s: save %q: %v", c.Owner(), shard, err)
	}
}

func TestShardHasOneOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		// Both see that no copy has it before either writes.
		var seen sync.WaitGroup
		seen.Add(2)
		for _, c := range []*copyOf{a, b} {
			c.gate.do(func() { c.gate.got = sync.OnceFunc(func() { seen.Done(); seen.Wait() }) })
		}
		results := make(chan error, 2)
		for _, c := range []*copyOf{a, b} {
			go func() {
				_, err := c.Load(t.Context(), "s")
				results <- err
			}()
		}
		first, second := <-results, <-results
		if (first == nil) == (second == nil) || !isLeased(cmpErr(first, second)) {
			t.Fatalf("loads: got %v and %v, want nil and ErrLeased", first, second)
		}
		owner, other := a, b
		if a.Held() == 0 {
			owner, other = b, a
		}
		save(t, owner, "s", "7")
		if err := other.Save(t.Context(), "s", "8"); !isLost(err) {
			t.Errorf("save without a lease: got %v, want ErrLeaseLost", err)
		}
		// For ten minutes the owner only sends heartbeats.
		if took, _, got := ask(t, other, "s", 10*time.Minute); got {
			t.Fatalf("shard of a copy that is alive: taken over after %v", took)
		}
		if after, err := owner.Load(t.Context(), "s"); err != nil || after != "7" {
			t.Errorf("load by the owner: got %q, %v; want its checkpoint", after, err)
		}
	})
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// TestTakeoverWithinOneLease: whenever the owner dies between two heartbeats,
// and whenever the other copy scans, the shard is read from its checkpoint at
// most a lease later.
func TestTakeoverWithinOneLease(t *testing.T) {
	t.Parallel()
	for _, l := range []time.Duration{0, 3 * time.Second, MinLease, 15 * time.Second, 2 * time.Minute} {
		for phase := range 7 {
			t.Run(fmt.Sprintf("lease=%v/phase=%d", l, phase), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					table := &tabletest.Memory{}
					a := start(t, table, "a", Options{Lease: l})
					synctest.Wait()
					if _, err := a.Load(t.Context(), "s"); err != nil {
						t.Fatal(err)
					}
					save(t, a, "s", "41")
					time.Sleep(a.interval * time.Duration(phase) / 5)
					b := start(t, table, "b", Options{Lease: l})
					time.Sleep(3*time.Second + a.interval*time.Duration(phase*phase)/11)
					a.gate.close() // never opened: the copy is dead
					took, after, got := ask(t, b, "s", time.Hour)
					if !got || after != "41" {
						t.Fatalf("taken over: got %v with checkpoint %q, want 41", got, after)
					}
					if took > b.lease {
						t.Errorf("taken over after %v, want at most the lease of %v", took, b.lease)
					}
					if took < b.timeout-b.interval {
						t.Errorf("taken over after %v: a heartbeat may be late by %v", took, b.timeout)
					}
				})
			})
		}
	}
}

// TestSuspendedOwnerHasAStaleToken: an owner that was suspended past its lease
// can save nothing when it resumes, not even with a write that had begun.
func TestSuspendedOwnerHasAStaleToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		save(t, a, "s", "10")
		a.gate.close()
		begun := make(chan error, 1)
		go func() { begun <- a.Save(t.Context(), "s", "11") }()
		_, after, got := ask(t, b, "s", time.Minute)
		if !got || after != "10" {
			t.Fatalf("taken over: got %v with checkpoint %q, want 10", got, after)
		}
		save(t, b, "s", "12")
		a.gate.open()
		if err := <-begun; err == nil {
			t.Error("write that had begun: got no error")
		}
		if err := a.Save(t.Context(), "s", "11"); !isLost(err) {
			t.Errorf("next write: got %v, want ErrLeaseLost", err)
		}
		if _, err := a.Load(t.Context(), "s"); !isLeased(err) {
			t.Errorf("load by the suspended copy: got %v, want ErrLeased", err)
		}
		save(t, b, "s", "13")
		if l := item(t, table, "s"); l.Checkpoint != "13" || l.Owner != b.Owner() {
			t.Errorf("item: got %+v, want b's at 13", l)
		}
	})
}

// TestSuspendedOwnerNoticesTheLossWithoutASave: its next scan shows it.
func TestSuspendedOwnerNoticesTheLossWithoutASave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		a.gate.close()
		if _, _, got := ask(t, b, "s", time.Minute); !got {
			t.Fatal("not taken over")
		}
		if got := a.State("s"); got != eventsource.Lost {
			t.Errorf("state while suspended: got %v, want lost before any call", got)
		}
		a.gate.open()
		time.Sleep(2 * a.interval)
		if n := a.Held(); n != 0 || a.State("s") != eventsource.Lost || b.State("s") != eventsource.Held {
			t.Errorf("resumed copy: got %d shards and the state %v, the other copy %v; want 0, lost and held", n, a.State("s"), b.State("s"))
		}
	})
}

// TestSuspendedObserverTakesNothing: a copy that was suspended has seen nothing
// in that time, and takes nothing from an owner that is alive.
func TestSuspendedObserverTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(7 * time.Second)
			b.gate.close()
			time.Sleep(10 * time.Minute)
			b.gate.open()
			for range 20 {
				if _, err := b.Load(t.Context(), "s"); !isLeased(err) {
					t.Fatalf("load by a resumed observer: got %v, want ErrLeased", err)
				}
				time.Sleep(b.interval / 3)
			}
		}
	})
}

// TestClocksMayDifferByHours: no clocks of two machines are compared.
func TestClocksMayDifferByHours(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		a, b time.Duration
	}{
		{"owner ahead", 3 * time.Hour, -5 * time.Hour},
		{"owner behind", -5 * time.Hour, 3 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				skewed := func(d time.Duration) Options {
					return Options{Now: func() time.Time { return time.Now().Add(d) }}
				}
				table := &tabletest.Memory{}
				a, b := start(t, table, "a", skewed(tt.a)), start(t, table, "b", skewed(tt.b))
				synctest.Wait()
				if _, err := a.Load(t.Context(), "s"); err != nil {
					t.Fatal(err)
				}
				if _, _, got := ask(t, b, "s", time.Hour); got {
					t.Fatal("taken over from a copy that is alive")
				}
				a.gate.close()
				if took, _, got := ask(t, b, "s", time.Hour); !got || took > b.lease {
					t.Errorf("taken over %v after %v, the lease is %v", got, took, b.lease)
				}
			})
		})
	}
}

// TestWriteWithoutAResponseKeepsTheLease: the next write succeeds, at any step.
func TestWriteWithoutAResponseKeepsTheLease(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(ctx context.Context, c *copyOf) error
		want lease
	}{
		{"take", func(ctx context.Context, c *copyOf) error {
			_, err := c.Load(ctx, "t")
			return err
		}, lease{}},
		{"save", func(ctx context.Context, c *copyOf) error { return c.Save(ctx, "s", "2") }, lease{Checkpoint: "2"}},
		{"end of the shard", func(ctx context.Context, c *copyOf) error { return c.Save(ctx, "s", eventsource.ShardEnd) }, lease{Checkpoint: eventsource.ShardEnd}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				table := &tabletest.Memory{}
				a := start(t, table, "a", Options{})
				synctest.Wait()
				if _, err := a.Load(t.Context(), "s"); err != nil {
					t.Fatal(err)
				}
				save(t, a, "s", "1")
				a.gate.do(func() { a.gate.lost = 1 })
				if err := tt.do(t.Context(), a); !errors.Is(err, errLost) {
					t.Fatalf("got %v, want the table's error", err)
				}
				if err := tt.do(t.Context(), a); err != nil {
					t.Fatalf("retry: got %v, want no error", err)
				}
				if l := item(t, table, "s"); tt.want.Checkpoint != "" && l.Checkpoint != tt.want.Checkpoint {
					t.Errorf("item: got %+v, want %+v", l, tt.want)
				}
			})
		})
	}
}

func TestFinishedShardNeedsNoLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		save(t, a, "s", eventsource.ShardEnd)
		for _, c := range []*copyOf{a, b} {
			for range 2 { // from the table, and from a scan
				if after, err := c.Load(t.Context(), "s"); err != nil || after != eventsource.ShardEnd {
					t.Errorf("%s: load: got %q, %v; want the end without a lease", c.Owner(), after, err)
				}
				time.Sleep(2 * c.interval)
			}
			if c.Held() != 0 {
				t.Errorf("%s has a finished shard", c.Owner())
			}
		}
	})
}

// TestRunReleasesItsShardsAtItsEnd: with their checkpoints. The copy takes no
// others.
func TestRunReleasesItsShardsAtItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		save(t, a, "s", "5")
		a.stop()
		time.Sleep(2 * b.interval)
		if after, err := b.Load(t.Context(), "s"); err != nil || after != "5" {
			t.Errorf("load by the other copy: got %q, %v; want 5 without a wait", after, err)
		}
		if err := a.Save(t.Context(), "s", "6"); !isLost(err) {
			t.Errorf("save after the end: got %v, want ErrLeaseLost", err)
		}
		if _, err := a.Load(t.Context(), "t"); !isLeased(err) {
			t.Errorf("load after the end: got %v, want ErrLeased", err)
		}
		if _, err := table.Get(t.Context(), a.copyKey(a.Owner())); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("heartbeat after the end: got %v, want ErrNotFound", err)
		}
	})
}

// TestIdleLeasesDoNotExpire: leases without progress are written before their
// items expire, and cost nothing else.
func TestIdleLeasesDoNotExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a := start(t, table, "a", Options{Lease: 6 * time.Hour})
		synctest.Wait()
		for i := range 20 {
			if _, err := a.Load(t.Context(), fmt.Sprint("s", i)); err != nil {
				t.Fatal(err)
			}
		}
		before := a.gate.written()
		time.Sleep(20 * time.Hour)
		if beats, puts := int(20*time.Hour/a.interval), a.gate.written()-before; puts > beats+1 {
			t.Errorf("got %d writes for %d heartbeats of a copy with 20 shards", puts, beats)
		}
		time.Sleep(9 * 24 * time.Hour)
		for it, err := range table.Query(t.Context(), a.pk, "") {
			if err != nil || it.Expired(time.Now()) {
				t.Fatalf("item %q: expires %v, %v", it.Key, it.Expires, err)
			}
		}
		if a.Held() != 20 {
			t.Errorf("shards held: got %d, want 20", a.Held())
		}
	})
}

// TestOwnerWithoutAHeartbeatItemIsDead: its shard is taken within a lease.
func TestOwnerWithoutAHeartbeatItemIsDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		a.gate.close()
		if err := table.Delete(t.Context(), a.copyKey(a.Owner()), pipeline.Always()); err != nil {
			t.Fatal(err)
		}
		if took, _, got := ask(t, b, "s", time.Hour); !got || took > b.lease {
			t.Errorf("taken %v after %v, the lease is %v", got, took, b.lease)
		}
	})
}

// TestHeartbeatsOfDeadCopiesAreRemoved: a copy that was only suspended writes
// its heartbeat again.
func TestHeartbeatsOfDeadCopiesAreRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a := start(t, table, "a", Options{})
		suspended := start(t, table, "suspended", Options{})
		synctest.Wait()
		suspended.gate.close()
		for i := range 5 {
			start(t, table, fmt.Sprint("dead", i), Options{}).gate.close()
		}
		time.Sleep(12 * a.lease)
		heartbeats := func() (owners []string) {
			for it, err := range table.Query(t.Context(), a.pk, copyPrefix) {
				if err != nil {
					t.Fatal(err)
				}
				owners = append(owners, it.Key.SK)
			}
			return owners
		}
		if got := heartbeats(); !slices.Equal(got, []string{copyPrefix + a.Owner()}) {
			t.Errorf("heartbeats: got %q, want that of a", got)
		}
		suspended.gate.open()
		time.Sleep(2 * a.interval)
		if got := heartbeats(); len(got) != 2 {
			t.Errorf("heartbeats: got %q, want that of the suspended copy too", got)
		}
	})
}

// TestErrorsOfTheTableAreReturned: a copy that cannot reach the table for a
// while continues if no other copy took its shards.
func TestErrorsOfTheTableAreReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a := start(t, table, "a", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		a.gate.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Save(ctx, "s", "1"); !errors.Is(err, context.DeadlineExceeded) || isLost(err) {
			t.Errorf("save: got %v, want the table's error: no copy has taken the shard", err)
		}
		if _, err := a.Load(ctx, "t"); err == nil || isLeased(err) {
			t.Errorf("load: got %v, want the table's error", err)
		}
		a.gate.open()
		save(t, a, "s", "1")
	})
}
