package leases

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// slowTable is a copy's way to the table on which some calls take long.
type slowTable struct {
	pipeline.Table
	mu   sync.Mutex
	slow func(operation, sk string) time.Duration // nil is never
}

func (s *slowTable) set(slow func(operation, sk string) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = slow
}

func (s *slowTable) wait(ctx context.Context, operation, sk string) error {
	s.mu.Lock()
	var d time.Duration
	if s.slow != nil {
		d = s.slow(operation, sk)
	}
	s.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slowTable) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if err := s.wait(ctx, "put", it.Key.SK); err != nil {
		return pipeline.Item{}, err
	}
	stored, err := s.Table.Put(ctx, it, c)
	if err == nil {
		err = s.wait(ctx, "answer", it.Key.SK)
	}
	return stored, err
}

func (s *slowTable) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if err := s.wait(ctx, "delete", k.SK); err != nil {
		return err
	}
	return s.Table.Delete(ctx, k, c)
}

func (s *slowTable) Query(ctx context.Context, pk, prefix string) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		if err := s.wait(ctx, "query", pk); err != nil {
			yield(pipeline.Item{}, err)
			return
		}
		for it, err := range s.Table.Query(ctx, pk, prefix) {
			if !yield(it, err) {
				return
			}
		}
	}
}

// TestNothingBlocksTheHeart: calls that take long, of whatever kind, cost a living
// copy none of its shards, however short its lease.
func TestNothingBlocksTheHeart(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	for _, tt := range []struct {
		name string
		slow func(operation, sk string) time.Duration
	}{
		{"a save", func(operation, sk string) time.Duration {
			if operation == "put" && sk == shardPrefix+"s0" {
				return never
			}
			return 0
		}},
		{"burials", func(operation, _ string) time.Duration {
			if operation == "delete" {
				return never
			}
			return 0
		}},
		{"looks", func(operation, _ string) time.Duration {
			if operation == "query" {
				return never
			}
			return 0
		}},
		{"every call, a little", func(string, string) time.Duration { return time.Second / 2 }},
		{"two heartbeats of three", nil},
	} {
		for _, l := range []time.Duration{MinLease, DefaultLease, 5 * time.Minute} {
			t.Run(fmt.Sprintf("%s/lease=%v", tt.name, l), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					table := &tabletest.Memory{}
					way := &slowTable{Table: table}
					a := start(t, way, "a", Options{Lease: l})
					synctest.Wait()
					for i := range 5 {
						if _, err := a.Load(t.Context(), fmt.Sprint("s", i)); err != nil {
							t.Fatal(err)
						}
					}
					b := start(t, table, "b", Options{Lease: l})
					for i := range 3 { // to bury
						start(t, table, fmt.Sprint("dead", i), Options{Lease: l}).gate.close()
					}
					time.Sleep(5 * time.Second)
					slow, beats := tt.slow, 0
					if slow == nil {
						slow = func(operation, sk string) time.Duration {
							if operation == "put" && strings.HasPrefix(sk, copyPrefix) {
								if beats++; beats%3 != 0 {
									return never
								}
							}
							return 0
						}
					}
					way.set(slow)
					saved := make(chan struct{})
					go func() {
						defer close(saved)
						_ = a.Save(t.Context(), "s0", "1") // it may fail; it must not hurt
					}()
					began := time.Now()
					for time.Since(began) < 15*l {
						for i := range 5 {
							shard := fmt.Sprint("s", i)
							if _, err := b.Load(t.Context(), shard); !isLeased(err) {
								t.Fatalf("after %v: %q of a living copy: %v", time.Since(began), shard, err)
							}
							if got := a.State(shard); got == eventsource.Lost {
								t.Fatalf("after %v: its owner believes that %q is lost", time.Since(began), shard)
							}
						}
						time.Sleep(a.every / 2)
					}
					way.set(nil)
					<-saved
				})
			})
		}
	}
}

// TestSaveHasALimit: a save that gets no answer ends well within the silence that
// costs the lease.
func TestSaveHasALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		way := &slowTable{Table: &tabletest.Memory{}}
		a := start(t, way, "a", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		way.set(func(operation, sk string) time.Duration {
			if operation == "put" && sk == shardPrefix+"s" {
				return time.Hour
			}
			return 0
		})
		began := time.Now()
		if err := a.Save(t.Context(), "s", "1"); err == nil || isLost(err) || time.Since(began) > a.quiet/2 {
			t.Errorf("after %v: %v, want the table's error after %v", time.Since(began), err, a.quiet/2)
		}
	})
}

// TestLookWithoutAnAnswer delays a takeover by its own limit and no more.
func TestLookWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		way := &slowTable{Table: table}
		a, b := start(t, table, "a", Options{}), start(t, way, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		hung := false
		way.set(func(operation, _ string) time.Duration {
			if operation == "query" && !hung {
				hung = true
				return time.Hour
			}
			return 0
		})
		time.Sleep(b.every)
		a.gate.close()
		if took, _, got := ask(t, b, "s", time.Hour); !got || took > b.lease+b.quiet/2 {
			t.Errorf("taken over %v after %v", got, took)
		}
	})
}

// TestHeartbeatCountsFromItsBeginning: an answer that is late leaves an owner no
// longer than others leave it.
func TestHeartbeatCountsFromItsBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		way := &slowTable{Table: &tabletest.Memory{}}
		c := New(way, testFeed, Options{Name: "a"})
		if _, err := c.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		way.set(func(operation, _ string) time.Duration {
			if operation == "answer" {
				return c.quiet / 5
			}
			return 0
		})
		began := time.Now()
		if err := c.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		for c.State("s") == eventsource.Held {
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(began); d > c.quiet {
			t.Errorf("it holds on for %v after its heartbeat arrived, others wait %v", d, c.quiet)
		}
	})
}

// TestSlowLooksAfterASleep: looks that take longer than from one heartbeat to the
// next tell a woken copy all the same what is its own.
func TestSlowLooksAfterASleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		way := &slowTable{Table: &tabletest.Memory{}}
		a := start(t, way, "a", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		a.gate.close()
		time.Sleep(time.Minute)
		way.set(func(operation, _ string) time.Duration {
			if operation == "query" {
				return 5 * a.every / 2
			}
			return 0
		})
		a.gate.open()
		time.Sleep(a.quiet)
		if got := a.State("s"); got != eventsource.Held {
			t.Errorf("%v after it woke: %v, want held: nobody took the shard", a.quiet, got)
		}
	})
}
