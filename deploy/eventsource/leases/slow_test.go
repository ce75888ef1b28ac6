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

// slowTable is the table of one copy. Some of its calls are slow.
type slowTable struct {
	pipeline.Table
	mu   sync.Mutex
	slow func(operation, sk string) time.Duration // nil means that no call is slow
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
		err = s.wait(ctx, "response", it.Key.SK)
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

// TestSlowCallsDoNotDelayHeartbeats: a copy keeps its shards while calls of any
// kind are slow, whatever its lease.
func TestSlowCallsDoNotDelayHeartbeats(t *testing.T) {
	t.Parallel()
	const hangs = time.Hour
	for _, tt := range []struct {
		name string
		slow func(operation, sk string) time.Duration
	}{
		{"a save", func(operation, sk string) time.Duration {
			if operation == "put" && sk == shardPrefix+"s0" {
				return hangs
			}
			return 0
		}},
		{"removals of dead copies", func(operation, _ string) time.Duration {
			if operation == "delete" {
				return hangs
			}
			return 0
		}},
		{"scans", func(operation, _ string) time.Duration {
			if operation == "query" {
				return hangs
			}
			return 0
		}},
		{"every call is a little slow", func(string, string) time.Duration { return time.Second / 2 }},
		{"two heartbeats of three", nil},
	} {
		for _, l := range []time.Duration{MinLease, DefaultLease, 5 * time.Minute} {
			t.Run(fmt.Sprintf("%s/lease=%v", tt.name, l), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					table := &tabletest.Memory{}
					link := &slowTable{Table: table}
					a := start(t, link, "a", Options{Lease: l})
					synctest.Wait()
					for i := range 5 {
						if _, err := a.Load(t.Context(), fmt.Sprint("s", i)); err != nil {
							t.Fatal(err)
						}
					}
					b := start(t, table, "b", Options{Lease: l})
					for i := range 3 { // whose heartbeats are removed
						start(t, table, fmt.Sprint("dead", i), Options{Lease: l}).gate.close()
					}
					time.Sleep(5 * time.Second)
					slow, beats := tt.slow, 0
					if slow == nil {
						slow = func(operation, sk string) time.Duration {
							if operation == "put" && strings.HasPrefix(sk, copyPrefix) {
								if beats++; beats%3 != 0 {
									return hangs
								}
							}
							return 0
						}
					}
					link.set(slow)
					saved := make(chan struct{})
					go func() {
						defer close(saved)
						_ = a.Save(t.Context(), "s0", "1") // it may fail
					}()
					began := time.Now()
					for time.Since(began) < 15*l {
						for i := range 5 {
							shard := fmt.Sprint("s", i)
							if _, err := b.Load(t.Context(), shard); !isLeased(err) {
								t.Fatalf("after %v: load %q of a copy that is alive: got %v, want ErrLeased", time.Since(began), shard, err)
							}
							if got := a.State(shard); got == eventsource.Lost {
								t.Fatalf("after %v: state of %q: got lost, want held", time.Since(began), shard)
							}
						}
						time.Sleep(a.interval / 2)
					}
					link.set(nil)
					<-saved
				})
			})
		}
	}
}

// TestSaveTimesOut: a save without a response fails well before the time that
// costs the lease.
func TestSaveTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := &slowTable{Table: &tabletest.Memory{}}
		a := start(t, link, "a", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		link.set(func(operation, sk string) time.Duration {
			if operation == "put" && sk == shardPrefix+"s" {
				return time.Hour
			}
			return 0
		})
		began := time.Now()
		if err := a.Save(t.Context(), "s", "1"); err == nil || isLost(err) || time.Since(began) > a.timeout/2 {
			t.Errorf("save: got %v after %v, want the table's error after %v", err, time.Since(began), a.timeout/2)
		}
	})
}

// TestScanWithoutAResponseDelaysATakeover: by the timeout of the scan at most.
func TestScanWithoutAResponseDelaysATakeover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		link := &slowTable{Table: table}
		a, b := start(t, table, "a", Options{}), start(t, link, "b", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		hung := false
		link.set(func(operation, _ string) time.Duration {
			if operation == "query" && !hung {
				hung = true
				return time.Hour
			}
			return 0
		})
		time.Sleep(b.interval)
		a.gate.close()
		if took, _, got := ask(t, b, "s", time.Hour); !got || took > b.lease+b.timeout/2 {
			t.Errorf("taken over: got %v after %v, want it within %v", got, took, b.lease+b.timeout/2)
		}
	})
}

// TestHeartbeatCountsFromItsBeginning: a slow response does not extend the
// lease beyond the time after which other copies take it.
func TestHeartbeatCountsFromItsBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := &slowTable{Table: &tabletest.Memory{}}
		c := New(link, testFeed, Options{Name: "a"})
		if _, err := c.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		link.set(func(operation, _ string) time.Duration {
			if operation == "response" {
				return c.timeout / 5
			}
			return 0
		})
		began := time.Now()
		if err := c.sendHeartbeat(t.Context()); err != nil {
			t.Fatal(err)
		}
		for c.State("s") == eventsource.Held {
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(began); d > c.timeout {
			t.Errorf("held %v after the heartbeat was written, want at most the %v of other copies", d, c.timeout)
		}
	})
}

// TestSlowScansRestoreTheLeases: also if a scan takes longer than the time
// between two heartbeats.
func TestSlowScansRestoreTheLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := &slowTable{Table: &tabletest.Memory{}}
		a := start(t, link, "a", Options{})
		synctest.Wait()
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		a.gate.close()
		time.Sleep(time.Minute)
		link.set(func(operation, _ string) time.Duration {
			if operation == "query" {
				return 5 * a.interval / 2
			}
			return 0
		})
		a.gate.open()
		time.Sleep(a.timeout)
		if got := a.State("s"); got != eventsource.Held {
			t.Errorf("state %v after it resumed: got %v, want held: no copy took the shard", a.timeout, got)
		}
	})
}
