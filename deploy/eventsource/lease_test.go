package eventsource

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeLeases are checkpoints with leases whose state a test sets.
type fakeLeases struct {
	*fakeCheckpoints
	failRelease func() error

	mu       sync.Mutex
	state    LeaseState
	released []string // shard:after
	loads    int
}

const testLease = 30 * time.Second

func (l *fakeLeases) set(s LeaseState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
}

func (l *fakeLeases) Load(ctx context.Context, shard string) (string, error) {
	l.mu.Lock()
	l.loads++
	free := l.state == Held
	l.mu.Unlock()
	if !free {
		return "", ErrLeased
	}
	return l.fakeCheckpoints.Load(ctx, shard)
}

func (l *fakeLeases) State(string) LeaseState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

func (l *fakeLeases) Release(_ context.Context, shard, after string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failRelease != nil {
		if err := l.failRelease(); err != nil {
			return err
		}
	}
	l.released = append(l.released, shard+":"+after)
	if l.state == Leaving {
		l.state = Lost
	}
	return nil
}

func (l *fakeLeases) Lease() time.Duration { return testLease }

func (l *fakeLeases) releases() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.released)
}

func (l *fakeLeases) loadsSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loads
}

func leasedMapping(t *testing.T, r *recorder) (*FeedMapping, *fakeFeed, *fakeLeases) {
	t.Helper()
	m, f, c := feedMapping(t, r)
	l := &fakeLeases{fakeCheckpoints: c, state: Held}
	m.Checkpoints = l
	return m, f, l
}

// TestLostLeaseEndsReadingAndInvoking: after a lease is lost nothing is read
// and nothing is invoked, not even with records that were read before. The
// shard may be loaded again.
func TestLostLeaseEndsReadingAndInvoking(t *testing.T) {
	t.Parallel()
	t.Run("in an invocation", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var l *fakeLeases
			var f *fakeFeed
			reads := 0
			r := newRecorder(func(context.Context, []string) (string, error) {
				if f != nil {
					time.Sleep(time.Second / 2) // the reader waits for room
					l.set(Lost)
					reads = len(f.readsSoFar())
					f = nil
				}
				return "", nil
			})
			m, feed, leases := leasedMapping(t, r)
			l, f = leases, feed
			m.BatchSize = 1
			feed.add("s", "k", "k", "k", "k", "k")
			run := startMapping(t, m.Run)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if r.ids() != "a" || len(feed.readsSoFar()) != reads || len(l.releases()) != 0 {
				t.Errorf("got events %q, %d reads after the loss and the releases %q; want a and no others", r.ids(), len(feed.readsSoFar())-reads, l.releases())
			}
			l.set(Held)
			time.Sleep(2 * shardRefresh)
			synctest.Wait()
			run.stopClean()
			if got := r.ids(); got != "a b c d e" {
				t.Errorf("events when this copy has the shard again: got %q, want the records after the checkpoint", got)
			}
		})
	})
	t.Run("between two reads", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m, f, l := leasedMapping(t, newRecorder(nil))
			run := startMapping(t, m.Run)
			time.Sleep(10*time.Second + 400*time.Millisecond)
			f.add("s", "k")
			time.Sleep(800 * time.Millisecond) // a read waits, and ends before the lease is checked
			reads := len(f.readsSoFar())
			l.set(Lost)
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := len(f.readsSoFar()) - reads; n != 0 {
				t.Errorf("got %d reads after the loss, want none", n)
			}
			run.stopClean()
		})
	})
	t.Run("before an old record is given up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var l *fakeLeases
			r := newRecorder(func(context.Context, []string) (string, error) {
				time.Sleep(time.Second / 2) // the lease is checked later
				l.set(Lost)
				return "", nil
			})
			m, f, leases := leasedMapping(t, r)
			l = leases
			m.BatchSize, m.MaxRecordAge = 1, time.Minute
			m.OnFailure = func(context.Context, Failure) error { t.Error("an old record was given up after the loss"); return nil }
			f.append("s", "k", time.Now(), 0)
			f.append("s", "k", time.Now().Add(-time.Hour), 0)
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			if r.ids() != "a" {
				t.Errorf("events: got %q, want none after the loss", r.ids())
			}
		})
	})
	t.Run("while no invocation is admitted", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hang := make(chan struct{})
			r := newRecorder(func(context.Context, []string) (string, error) { <-hang; return "", nil })
			m, f, l := leasedMapping(t, r)
			m.MaxAbandoned, m.Backoff = 1, func(int) time.Duration { return 0 }
			f.add("s", "k")
			run := startMapping(t, m.Run)
			time.Sleep(m.Timeout + returnGrace + time.Millisecond)
			l.set(Lost)
			close(hang)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			if r.ids() != "a" {
				t.Errorf("events: got %q, want no retry after the loss", r.ids())
			}
		})
	})
}

// TestShardThatAnotherCopyWaitsForIsReleased: the shard is released when its
// running invocations have ended, at the position up to which all records are
// done, whatever else the reader waits for.
func TestShardThatAnotherCopyWaitsForIsReleased(t *testing.T) {
	t.Parallel()
	noDatabase := func(context.Context, []string) (string, error) { return "", errors.New("no database") }
	for _, tt := range []struct {
		name    string
		records []string
		loaded  string // the checkpoint
		respond func(ctx context.Context, ids []string) (string, error)
		age     time.Duration // of the records
		change  func(m *FeedMapping, l *fakeLeases)
		want    string
		after   time.Duration // at least
		events  string
	}{
		{name: "no records", want: "s:"},
		{name: "no records since the checkpoint", records: []string{"k"}, loaded: "a", want: "s:a"},
		{name: "all records are done", records: []string{"k", "k"}, want: "s:b", events: "ab"},
		{
			name: "an invocation is running", records: []string{"k", "k"}, want: "s:a", after: 8 * time.Second, events: "a",
			respond: func(context.Context, []string) (string, error) { time.Sleep(9 * time.Second); return "", nil },
			change:  func(m *FeedMapping, _ *fakeLeases) { m.BatchSize = 1 },
		},
		{
			name: "a retry and the reader wait", records: []string{"k", "k", "k"}, want: "s:", events: "a", respond: noDatabase,
			change: func(m *FeedMapping, _ *fakeLeases) {
				m.BatchSize, m.Backoff = 1, func(int) time.Duration { return time.Hour }
			},
		},
		{
			name: "OnFailure fails", records: []string{"k"}, age: time.Hour, want: "s:",
			change: func(m *FeedMapping, _ *fakeLeases) {
				m.MaxRecordAge, m.Backoff = time.Minute, func(int) time.Duration { return time.Hour }
				m.OnFailure = func(context.Context, Failure) error { return errors.New("no bucket") }
			},
		},
		{
			name: "the table fails at first", records: []string{"k"}, want: "s:a", events: "a",
			change: func(_ *FeedMapping, l *fakeLeases) {
				tries := 0
				l.failRelease = func() error {
					if tries++; tries < 3 {
						return errors.New("no table")
					}
					return nil
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder(tt.respond)
				m, f, l := leasedMapping(t, r)
				if tt.change != nil {
					tt.change(m, l)
				}
				if tt.loaded != "" {
					l.at["s"] = tt.loaded
				}
				for _, key := range tt.records {
					f.append("s", key, time.Now().Add(-tt.age), 0)
				}
				run := startMapping(t, m.Run)
				time.Sleep(time.Second / 2)
				l.set(Leaving)
				began := time.Now()
				for len(l.releases()) == 0 && time.Since(began) < time.Minute {
					time.Sleep(time.Second / 10)
				}
				took := time.Since(began)
				time.Sleep(time.Minute)
				synctest.Wait()
				run.stopClean()
				if got := l.releases(); !slices.Equal(got, []string{tt.want}) || took > tt.after+3*time.Second || took < tt.after {
					t.Errorf("released %q after %v, want %q after %v", got, took, tt.want, tt.after)
				}
				if r.ids() != tt.events {
					t.Errorf("events: got %q, want %q", r.ids(), tt.events)
				}
			})
		})
	}
}

// TestStalledCopyReleasesItsShards: a copy that can start no invocations for
// the time of a lease, because its abandoned invocations are running, releases
// its shards, and loads shards again when it can.
func TestStalledCopyReleasesItsShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := newRecorder(func(context.Context, []string) (string, error) { <-hang; return "", nil })
		m, f, l := leasedMapping(t, r)
		m.MaxAbandoned = 1
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(m.Timeout + returnGrace + testLease - time.Second)
		if got := l.releases(); len(got) != 0 {
			t.Errorf("releases before the time of a lease: got %q, want none", got)
		}
		time.Sleep(3 * time.Second)
		if got := l.releases(); !slices.Equal(got, []string{"s:"}) {
			t.Errorf("releases: got %q, want the shard", got)
		}
		loads := l.loadsSoFar()
		time.Sleep(time.Hour)
		if n := l.loadsSoFar() - loads; n != 0 {
			t.Errorf("loads of a stalled copy: got %d, want none", n)
		}
		close(hang)
		time.Sleep(2 * shardRefresh)
		synctest.Wait()
		run.stopClean()
		if got := r.ids(); got != "a a" || l.get("s") != "a" {
			t.Errorf("got events %q and checkpoint %q, want a retry and a", got, l.get("s"))
		}
	})
}

// TestChildWaitsForAParentThatIsRead: a parent that is no longer listed while
// this mapping reads it comes before its children.
func TestChildWaitsForAParentThatIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if ids[0] == "a" {
				time.Sleep(time.Minute)
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		m.Timeout = 5 * time.Minute
		f.add("s", "k")
		f.close("s", "child")
		f.add("child", "k")
		run := startMapping(t, m.Run)
		synctest.Wait()
		f.mu.Lock()
		f.shards = slices.DeleteFunc(f.shards, func(s *fakeShard) bool { return s.ID == "s" })
		f.mu.Unlock()
		time.Sleep(30 * time.Second)
		if r.ids() != "a" {
			t.Errorf("events while the parent is read: got %q, want a", r.ids())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "a b" || c.get("child") != "b" {
			t.Errorf("events: got %q, want the child after its parent", r.ids())
		}
	})
}
