package eventsource

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeLeases are checkpoints with leases whose standing a test sets.
type fakeLeases struct {
	*fakeCheckpoints
	failRelease func() error

	mu       sync.Mutex
	standing Standing
	released []string // shard:after
	loads    int
}

const testLease = 30 * time.Second

func (l *fakeLeases) set(s Standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standing = s
}

func (l *fakeLeases) Load(ctx context.Context, shard string) (string, error) {
	l.mu.Lock()
	l.loads++
	free := l.standing == Held
	l.mu.Unlock()
	if !free {
		return "", ErrLeased
	}
	return l.fakeCheckpoints.Load(ctx, shard)
}

func (l *fakeLeases) Standing(string) Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing
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
	if l.standing == Leaving {
		l.standing = Lost
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
	l := &fakeLeases{fakeCheckpoints: c, standing: Held}
	m.Checkpoints = l
	return m, f, l
}

// TestLostLeaseEndsReadingAtOnce: after a lease is lost nothing is read and
// nothing is invoked, not even what was read before; and the shard may be loaded
// again.
func TestLostLeaseEndsReadingAtOnce(t *testing.T) {
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
				t.Errorf("events %q, %d reads after the loss, releases %q; want a, none, none", r.ids(), len(feed.readsSoFar())-reads, l.releases())
			}
			l.set(Held)
			time.Sleep(2 * shardRefresh)
			synctest.Wait()
			run.stopClean()
			if got := r.ids(); got != "a b c d e" {
				t.Errorf("events %q once the shard is this copy's again, want the rest from the checkpoint", got)
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
			time.Sleep(800 * time.Millisecond) // a read waits, for less long than until the next look at the lease
			reads := len(f.readsSoFar())
			l.set(Lost)
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := len(f.readsSoFar()) - reads; n != 0 {
				t.Errorf("%d reads after the loss", n)
			}
			run.stopClean()
		})
	})
	t.Run("while a batch waits for its window", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(nil)
			m, f, l := leasedMapping(t, r)
			m.Window, m.MaxRecordAge = time.Second, time.Minute
			m.OnFailure = func(context.Context, Failure) error { t.Error("an old record was given up after the loss"); return nil }
			run := startMapping(t, m.Run)
			time.Sleep(300 * time.Millisecond)
			f.mu.Lock()
			f.append("s", "k", time.Now().Add(-time.Hour), 0)
			f.mu.Unlock()
			f.add("s", "k")
			time.Sleep(800 * time.Millisecond) // the window ends before the next look at the lease
			l.set(Lost)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			if r.count() != 0 {
				t.Errorf("events %q after the loss", r.ids())
			}
		})
	})
	t.Run("while nothing is admitted", func(t *testing.T) {
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
				t.Errorf("events %q, want no second try after the loss", r.ids())
			}
		})
	})
}

// TestWantedShardIsReleased: a shard that another copy waits for is given back
// once what runs of it has ended, at the position up to which all is done, and
// whatever else the reader waits for.
func TestWantedShardIsReleased(t *testing.T) {
	t.Parallel()
	noDatabase := func(context.Context, []string) (string, error) { return "", errors.New("no database") }
	for _, tt := range []struct {
		name    string
		records []string
		loaded  string // the checkpoint
		answer  func(ctx context.Context, ids []string) (string, error)
		change  func(m *FeedMapping, l *fakeLeases)
		want    string
		after   time.Duration // at least
		events  string
	}{
		{name: "nothing happened yet", want: "s:"},
		{name: "nothing happened since the checkpoint", records: []string{"k"}, loaded: "a", want: "s:a"},
		{name: "all is done", records: []string{"k", "k"}, want: "s:b", events: "ab"},
		{
			name: "an invocation runs", records: []string{"k", "k"}, want: "s:a", after: 8 * time.Second, events: "a",
			answer: func(context.Context, []string) (string, error) { time.Sleep(9 * time.Second); return "", nil },
			change: func(m *FeedMapping, _ *fakeLeases) { m.BatchSize = 1 },
		},
		{
			name: "a retry waits, and the reader for room", records: []string{"k", "k", "k"}, want: "s:", events: "a", answer: noDatabase,
			change: func(m *FeedMapping, _ *fakeLeases) {
				m.BatchSize, m.Backoff = 1, func(int) time.Duration { return time.Hour }
			},
		},
		{
			name: "a destination fails", records: []string{"k"}, want: "s:", events: "a", answer: noDatabase,
			change: func(m *FeedMapping, _ *fakeLeases) {
				m.MaxAttempts, m.Backoff = 1, func(int) time.Duration { return time.Hour }
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
				r := newRecorder(tt.answer)
				m, f, l := leasedMapping(t, r)
				if tt.change != nil {
					tt.change(m, l)
				}
				if tt.loaded != "" {
					l.at["s"] = tt.loaded
				}
				f.add("s", tt.records...)
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
					t.Errorf("events %q, want %q", r.ids(), tt.events)
				}
			})
		})
	}
}

// TestStalledCopyReleasesItsShards: a copy that may start nothing for a lease,
// because its abandoned invocations still run, leaves its shards to others, and
// asks for some when it goes on.
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
			t.Errorf("released %q before it stood still for a lease", got)
		}
		time.Sleep(3 * time.Second)
		if got := l.releases(); !slices.Equal(got, []string{"s:"}) {
			t.Errorf("released %q, want the shard", got)
		}
		loads := l.loadsSoFar()
		time.Sleep(time.Hour)
		if n := l.loadsSoFar() - loads; n != 0 {
			t.Errorf("a stalled copy asked for a shard %d times", n)
		}
		close(hang)
		time.Sleep(2 * shardRefresh)
		synctest.Wait()
		run.stopClean()
		if got := r.ids(); got != "a a" || l.get("s") != "a" {
			t.Errorf("events %q, checkpoint %q; want that it goes on", got, l.get("s"))
		}
	})
}

// TestChildWaitsForAParentInHand: a parent that fell off the listing while it is
// read here still comes before its children.
func TestChildWaitsForAParentInHand(t *testing.T) {
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
			t.Errorf("events %q while the parent is in hand, want a", r.ids())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "a b" || c.get("child") != "b" {
			t.Errorf("events %q, want the child after its parent", r.ids())
		}
	})
}

// TestLatestIsNotShared: copies that share a feed cannot agree on what the latest
// is.
func TestLatestIsNotShared(t *testing.T) {
	t.Parallel()
	m, _, _ := leasedMapping(t, newRecorder(nil))
	m.StartingPosition = StartAtLatest
	if err := m.Validate(); fieldsOf(err) != "StartingPosition" || !strings.Contains(err.Error(), "share") {
		t.Errorf("got %v, want StartingPosition to be refused", err)
	}
}
