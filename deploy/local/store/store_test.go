package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

func open(t *testing.T, o store.Options) *store.DB {
	t.Helper()
	d, err := store.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func put(k, v string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("t"))
		if err != nil {
			return err
		}
		return b.Put([]byte(k), []byte(v))
	}
}

func get(t *testing.T, d *store.DB, k string) string {
	t.Helper()
	var v string
	err := d.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte("t")); b != nil {
			v = string(b.Get([]byte(k)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUpdateSurvivesReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(t.Context(), put("a", "1")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Update(t.Context(), put("a", "2")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("update after close: got %v, want ErrClosed", err)
	}
	if err := d.View(func(*bbolt.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("view after close: got %v, want ErrClosed", err)
	}
	d, err = store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := get(t, d, "a"); got != "1" {
		t.Errorf("after reopening: got %q, want 1", got)
	}
}

// hold blocks the writer until release is called, so that the calls made in
// between form one group.
func hold(t *testing.T, d *store.DB) (release func()) {
	t.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	done := make(chan error, 1)
	go func() {
		done <- d.Update(context.Background(), func(*bbolt.Tx) error {
			once.Do(func() { close(entered) })
			<-leave
			return nil
		})
	}()
	<-entered
	return func() {
		close(leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestGroupSharesOneSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		d := open(t, store.Options{Synced: func(int) { syncs.Add(1) }})
		release := hold(t, d)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := d.Update(t.Context(), put(fmt.Sprint(i), "x")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all fifty wait for the writer
		release()
		wg.Wait()
		if got := syncs.Load(); got != 2 {
			t.Errorf("one update and then fifty at the same time took %d syncs, want 2", got)
		}
	})
}

func TestUpdateReturnsAfterSync(t *testing.T) {
	t.Parallel()
	var synced atomic.Int64
	d := open(t, store.Options{Synced: func(txid int) { synced.Store(int64(txid)) }})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				var mine int
				err := d.Update(t.Context(), func(tx *bbolt.Tx) error {
					mine = tx.ID()
					return put(fmt.Sprint(i, j), "x")(tx)
				})
				if err != nil {
					t.Error(err)
				}
				if got := synced.Load(); got < int64(mine) {
					t.Errorf("the update of transaction %d returned when only %d was synced", mine, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestFailedCallDoesNotAffectItsGroup(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	rows := []struct {
		name string
		fail func(tx *bbolt.Tx) error
		want func(error) bool
	}{
		{"error after a change", func(tx *bbolt.Tx) error {
			return errors.Join(put("bad", "x")(tx), boom)
		}, func(err error) bool { return errors.Is(err, boom) }},
		{"panic after a change", func(tx *bbolt.Tx) error {
			_ = put("bad", "x")(tx)
			panic(boom)
		}, func(err error) bool {
			p, ok := errors.AsType[*store.PanicError](err)
			return ok && errors.Is(err, boom) && len(p.Stack) > 0
		}},
		{"unchanged", func(*bbolt.Tx) error { return store.Unchanged(boom) }, func(err error) bool { return err == boom }},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, store.Options{})
			release := hold(t, d)
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					if i%5 == 0 {
						if err := d.Update(t.Context(), r.fail); !r.want(err) {
							t.Errorf("failing call: got %v", err)
						}
						return
					}
					if err := d.Update(t.Context(), put(fmt.Sprint(i), "x")); err != nil {
						t.Errorf("good call: %v", err)
					}
				})
			}
			release()
			wg.Wait()
			for i := range 10 {
				if want := i%5 != 0; (get(t, d, fmt.Sprint(i)) == "x") != want {
					t.Errorf("key %d: written %t, want %t", i, !want, want)
				}
			}
			if get(t, d, "bad") != "" {
				t.Error("the failed call's change was written")
			}
		})
	}
}

func TestUnchangedRunsOnceAndSyncsNothing(t *testing.T) {
	t.Parallel()
	var syncs atomic.Int64
	d := open(t, store.Options{Synced: func(int) { syncs.Add(1) }})
	for _, want := range []error{nil, errors.New("no")} {
		runs := 0
		err := d.Update(t.Context(), func(*bbolt.Tx) error { runs++; return store.Unchanged(want) })
		if err != want || runs != 1 {
			t.Errorf("got %v after %d runs, want %v after 1", err, runs, want)
		}
	}
	if got := syncs.Load(); got != 0 {
		t.Errorf("updates without changes: got %d syncs, want 0", got)
	}
	if err := d.Update(t.Context(), put("a", "1")); err != nil || get(t, d, "a") != "1" {
		t.Errorf("update after updates without changes: %v", err)
	}
}

func TestUpdateCancelledBeforeItStartsHasNoEffect(t *testing.T) {
	t.Parallel()
	d := open(t, store.Options{})
	release := hold(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Update(ctx, put("a", "1")) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	release()
	if err := d.Update(t.Context(), put("b", "1")); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, "a"); got != "" {
		t.Errorf("the cancelled update was written: %q", got)
	}
}

func TestOnCommitRunsAfterCommitOnly(t *testing.T) {
	t.Parallel()
	d := open(t, store.Options{})
	var called atomic.Int64
	register := func(tx *bbolt.Tx) { tx.OnCommit(func() { called.Add(1) }) }
	_ = d.Update(t.Context(), func(tx *bbolt.Tx) error { register(tx); return errors.New("no") })
	if called.Load() != 0 {
		t.Error("OnCommit of a failed update was called")
	}
	_ = d.Update(t.Context(), func(tx *bbolt.Tx) error { register(tx); return put("a", "1")(tx) })
	if called.Load() != 1 {
		t.Errorf("OnCommit was called %d times, want once", called.Load())
	}
}

func TestCloseFinishesStartedUpdates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var acked sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := 0; ; j++ {
				k := fmt.Sprint(i, "-", j)
				if err := d.Update(context.Background(), put(k, "x")); err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
					return
				}
				acked.Store(k, true)
				if j == 10 && i == 0 {
					go d.Close()
				}
			}
		})
	}
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	acked.Range(func(k, _ any) bool {
		if get(t, d, k.(string)) != "x" {
			t.Errorf("update %v was acknowledged and is lost", k)
		}
		return true
	})
}

// TestFullStoreCanBeEmptied fills a store and deletes every acknowledged value.
func TestFullStoreCanBeEmptied(t *testing.T) {
	t.Parallel()
	d := open(t, store.Options{MaxBytes: 10 << 20, ReserveBytes: 2 << 20, NoSync: true})
	for _, size := range []int{1 << 20, 50_000, 5_000} {
		body := make([]byte, size)
		n := fill(t, d, body)
		if got := count(t, d); got != n {
			t.Errorf("values of %d bytes: %d acknowledged and %d stored", size, n, got)
		}
		for i := range n { // one transaction each: every deletion needs pages
			del := func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte("t")).Delete(binary.BigEndian.AppendUint32(nil, uint32(i)))
			}
			if err := d.UpdateEvenIfFull(t.Context(), del); err != nil {
				t.Fatalf("values of %d bytes: delete %d of %d in a full store: %v", size, i, n, err)
			}
		}
	}
	if err := d.Update(t.Context(), put("small", "x")); err != nil {
		t.Errorf("write after deleting: %v", err)
	}
}

// fill puts values until the store is full, four per update, and returns how
// many were acknowledged.
func fill(t *testing.T, d *store.DB, body []byte) (n int) {
	t.Helper()
	for ; n < 100_000; n += 4 {
		err := d.Update(t.Context(), func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("t"))
			for i := n; i < n+4 && err == nil; i++ {
				err = b.Put(binary.BigEndian.AppendUint32(nil, uint32(i)), body)
			}
			return err
		})
		if full, ok := errors.AsType[*store.FullError](err); ok {
			if full.Path != d.Path() || n == 0 {
				t.Fatalf("after %d values: %v", n, err)
			}
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the store did not become full")
	return 0
}

func count(t *testing.T, d *store.DB) (n int) {
	t.Helper()
	if err := d.View(func(tx *bbolt.Tx) error { n = tx.Bucket([]byte("t")).Stats().KeyN; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func BenchmarkUpdate(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			d, err := store.Open(b.TempDir(), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			var n atomic.Uint64
			body := make([]byte, 200)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for {
						i := n.Add(1)
						if i > uint64(b.N) {
							return
						}
						err := d.Update(context.Background(), func(tx *bbolt.Tx) error {
							t, err := tx.CreateBucketIfNotExists([]byte("t"))
							if err != nil {
								return err
							}
							return t.Put(binary.BigEndian.AppendUint64(nil, i), body)
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}
