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

func TestAShardHasOneReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a, b := start(t, table, "a", Options{}), start(t, table, "b", Options{})
		synctest.Wait()
		// Both have seen that nobody has it, before either writes.
		var looked sync.WaitGroup
		looked.Add(2)
		for _, c := range []*copyOf{a, b} {
			c.gate.do(func() { c.gate.got = sync.OnceFunc(func() { looked.Done(); looked.Wait() }) })
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
			t.Fatalf("both asked: %v and %v, want one to have it and ErrLeased for the other", first, second)
		}
		owner, other := a, b
		if a.Held() == 0 {
			owner, other = b, a
		}
		save(t, owner, "s", "7")
		if err := other.Save(t.Context(), "s", "8"); !isLost(err) {
			t.Errorf("save without a lease: %v, want ErrLeaseLost", err)
		}
		// For ten minutes the owner does nothing but live.
		if took, _, got := ask(t, other, "s", 10*time.Minute); got {
			t.Fatalf("the shard of a living copy was taken after %v", took)
		}
		if after, err := owner.Load(t.Context(), "s"); err != nil || after != "7" {
			t.Errorf("the owner loads %q, %v; want its checkpoint", after, err)
		}
	})
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// TestTakeoverWithinOneLease: wherever between two heartbeats the owner dies,
// and whenever the other looks, a lease later at most the shard is read again,
// from its checkpoint.
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
					time.Sleep(a.every * time.Duration(phase) / 5)
					b := start(t, table, "b", Options{Lease: l})
					time.Sleep(3*time.Second + a.every*time.Duration(phase*phase)/11)
					a.gate.close() // and never opened: it is dead
					took, after, got := ask(t, b, "s", time.Hour)
					if !got || after != "41" {
						t.Fatalf("got %v, checkpoint %q, want 41", got, after)
					}
					if took > b.lease {
						t.Errorf("taken over after %v, want at most the lease of %v", took, b.lease)
					}
					if took < b.quiet-b.every {
						t.Errorf("taken over after %v: a heartbeat may be late by %v", took, b.quiet)
					}
				})
			})
		}
	}
}

// TestSleeperFindsItsTokenStale: an owner that slept past its lease can save
// nothing when it wakes, not even with the write it had in hand.
func TestSleeperFindsItsTokenStale(t *testing.T) {
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
		inHand := make(chan error, 1)
		go func() { inHand <- a.Save(t.Context(), "s", "11") }()
		_, after, got := ask(t, b, "s", time.Minute)
		if !got || after != "10" {
			t.Fatalf("got %v, checkpoint %q", got, after)
		}
		save(t, b, "s", "12")
		a.gate.open()
		if err := <-inHand; err == nil {
			t.Error("the write in hand was made")
		}
		if err := a.Save(t.Context(), "s", "11"); !isLost(err) {
			t.Errorf("the next write: %v, want ErrLeaseLost", err)
		}
		if _, err := a.Load(t.Context(), "s"); !isLeased(err) {
			t.Errorf("the sleeper asks: %v, want ErrLeased", err)
		}
		save(t, b, "s", "13")
		if l := item(t, table, "s"); l.Checkpoint != "13" || l.Owner != b.Owner() {
			t.Errorf("the item is %+v, want b's at 13", l)
		}
	})
}

// TestSleeperNoticesByItself: also without a save, the next look tells.
func TestSleeperNoticesByItself(t *testing.T) {
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
			t.Errorf("asleep: %v, want lost before any call", got)
		}
		a.gate.open()
		time.Sleep(2 * a.every)
		if n := a.Held(); n != 0 || a.State("s") != eventsource.Lost || b.State("s") != eventsource.Held {
			t.Errorf("the sleeper believes it has %d shards, its lease is %v, the other's %v", n, a.State("s"), b.State("s"))
		}
	})
}

// TestObserverThatSlept: who slept has seen nothing in that time, and takes
// nothing from an owner that lived.
func TestObserverThatSlept(t *testing.T) {
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
					t.Fatalf("a woken observer: %v, want ErrLeased", err)
				}
				time.Sleep(b.every / 3)
			}
		}
	})
}

// TestClocksApart: hours between the machines' clocks change nothing.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		a, b time.Duration
	}{
		{"the owner is ahead", 3 * time.Hour, -5 * time.Hour},
		{"the owner is behind", -5 * time.Hour, 3 * time.Hour},
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
					t.Fatal("taken from a living copy")
				}
				a.gate.close()
				if took, _, got := ask(t, b, "s", time.Hour); !got || took > b.lease {
					t.Errorf("taken over %v after %v, the lease is %v", got, took, b.lease)
				}
			})
		})
	}
}

// TestLostAnswers: a write that was made and whose answer was lost is no lost
// lease, at any step.
func TestLostAnswers(t *testing.T) {
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
		{"the end", func(ctx context.Context, c *copyOf) error { return c.Save(ctx, "s", eventsource.ShardEnd) }, lease{Checkpoint: eventsource.ShardEnd}},
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
					t.Fatalf("again: %v", err)
				}
				if l := item(t, table, "s"); tt.want.Checkpoint != "" && l.Checkpoint != tt.want.Checkpoint {
					t.Errorf("the item is %+v, want %+v", l, tt.want)
				}
			})
		})
	}
}

func TestFinishedShards(t *testing.T) {
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
			for range 2 { // asked of the table, and known from a look
				if after, err := c.Load(t.Context(), "s"); err != nil || after != eventsource.ShardEnd {
					t.Errorf("%s loads %q, %v; want the end, which needs no lease", c.Owner(), after, err)
				}
				time.Sleep(2 * c.every)
			}
			if c.Held() != 0 {
				t.Errorf("%s holds a finished shard", c.Owner())
			}
		}
	})
}

// TestLeaving: who ends in good order leaves its shards free, with their
// checkpoints, and takes no others.
func TestLeaving(t *testing.T) {
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
		time.Sleep(2 * b.every)
		if after, err := b.Load(t.Context(), "s"); err != nil || after != "5" {
			t.Errorf("the next copy loads %q, %v; want 5 at once", after, err)
		}
		if err := a.Save(t.Context(), "s", "6"); !isLost(err) {
			t.Errorf("a save after the end: %v, want ErrLeaseLost", err)
		}
		if _, err := a.Load(t.Context(), "t"); !isLeased(err) {
			t.Errorf("a load after the end: %v, want ErrLeased", err)
		}
		if _, err := table.Get(t.Context(), a.copyKey(a.Owner())); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("the heartbeat: %v, want it gone", err)
		}
	})
}

// TestQuietShardsAreKept: leases on which nothing happens are written again
// before the table's clean-up takes them, and otherwise cost nothing.
func TestQuietShardsAreKept(t *testing.T) {
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
		if beats, puts := int(20*time.Hour/a.every), a.gate.written()-before; puts > beats+1 {
			t.Errorf("%d writes for %d heartbeats of a copy with 20 shards", puts, beats)
		}
		time.Sleep(9 * 24 * time.Hour)
		for it, err := range table.Query(t.Context(), a.pk, "") {
			if err != nil || it.Expired(time.Now()) {
				t.Fatalf("item %q: expires %v, %v", it.Key, it.Expires, err)
			}
		}
		if a.Held() != 20 {
			t.Errorf("%d of 20 shards are held", a.Held())
		}
	})
}

// TestOwnerWithoutHeartbeat: a shard whose owner's heartbeat somebody removed is
// no one's after a while.
func TestOwnerWithoutHeartbeat(t *testing.T) {
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

// TestTheDeadAreBuried: heartbeats of dead copies do not pile up, and a copy that
// only seemed dead lives on.
func TestTheDeadAreBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a := start(t, table, "a", Options{})
		asleep := start(t, table, "asleep", Options{})
		synctest.Wait()
		asleep.gate.close()
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
			t.Errorf("heartbeats %q, want a's alone", got)
		}
		asleep.gate.open()
		time.Sleep(2 * a.every)
		if got := heartbeats(); len(got) != 2 {
			t.Errorf("heartbeats %q, want that of the sleeper again", got)
		}
	})
}

// TestTableThatFails: the errors of the table come out, and a copy that was cut
// off and is not missed goes on.
func TestTableThatFails(t *testing.T) {
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
			t.Errorf("cut off: %v, want the table's error: nobody has taken the shard", err)
		}
		if _, err := a.Load(ctx, "t"); err == nil || isLeased(err) {
			t.Errorf("cut off: load %v, want the table's error", err)
		}
		a.gate.open()
		save(t, a, "s", "1")
	})
}
