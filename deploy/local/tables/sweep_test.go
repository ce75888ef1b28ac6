package tables

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/eventsource"
	"sluice/deploy/local/store"
	"sluice/pipeline"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// putExpiring puts an item that expires at expires.
func putExpiring(t *testing.T, table *Table, sk string, expires time.Time) pipeline.Item {
	t.Helper()
	it, err := table.Put(t.Context(), pipeline.Item{
		Key: pipeline.Key{PK: "p", SK: sk}, Expires: expires, Data: []byte(`{}`),
	}, pipeline.Always())
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func sortKeys(t *testing.T, table *Table) map[string]bool {
	t.Helper()
	sks := make(map[string]bool)
	for it, err := range table.Query(t.Context(), "p", "") {
		if err != nil {
			t.Fatal(err)
		}
		sks[it.Key.SK] = true
	}
	return sks
}

func TestExpireRemovesExpiredItemsOnly(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	putExpiring(t, table, "long ago", time.Unix(-5_000_000_000, 0)) // 1811
	putExpiring(t, table, "before", noon.Add(-time.Second))
	putExpiring(t, table, "at", noon)
	putExpiring(t, table, "after", noon.Add(time.Second))
	putExpiring(t, table, "never", time.Time{})
	putExpiring(t, table, "put off", noon.Add(-time.Hour))
	putExpiring(t, table, "put off", noon.Add(time.Hour))
	putExpiring(t, table, "forever now", noon.Add(-time.Hour))
	putExpiring(t, table, "forever now", time.Time{})
	deleted := putExpiring(t, table, "deleted", noon.Add(-time.Hour))
	if err := table.Delete(t.Context(), deleted.Key, pipeline.Always()); err != nil {
		t.Fatal(err)
	}
	last, err := table.Feed().Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := table.Expire(t.Context(), noon); n != 3 || err != nil {
		t.Errorf("first expire: got %d and the error %v, want 3", n, err)
	}
	if n, err := table.Expire(t.Context(), noon); n != 0 || err != nil {
		t.Errorf("second expire: got %d and the error %v, want 0", n, err)
	}
	got := sortKeys(t, table)
	if len(got) != 4 || !got["after"] || !got["never"] || !got["put off"] || !got["forever now"] {
		t.Errorf("got the items %v, want after, never, put off and forever now", got)
	}
	records := read(t, table.Feed(), last, 10)
	if len(records) != 3 {
		t.Fatalf("got %d records, want 3", len(records))
	}
	for _, r := range records {
		c, err := decodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if c.Name != "REMOVE" || !c.Expired || c.Old == nil || c.New != nil {
			t.Errorf("record %s: got %s, expired %t, want a REMOVE with the old image only, expired", r.JSON, c.Name, c.Expired)
		}
	}
}

func TestItemExpiresAtItsSecond(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{})
	putExpiring(t, table, "a", noon)
	for _, tt := range []struct {
		now  time.Time
		want int
	}{{noon.Add(-1), 0}, {noon, 1}} {
		if n, err := table.Expire(t.Context(), tt.now); n != tt.want || err != nil {
			t.Errorf("expire at %v: got %d and the error %v, want %d", tt.now, n, err, tt.want)
		}
	}
}

func TestExpireContinuesAfterABatch(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	const many = 2*expireBatch + 7
	for i := range many {
		putExpiring(t, table, fmt.Sprint(i), noon.Add(-time.Duration(i)*time.Second))
	}
	if n, err := table.Expire(t.Context(), noon); n != many || err != nil {
		t.Errorf("expire: got %d and the error %v, want %d", n, err, many)
	}
	if left := sortKeys(t, table); len(left) > 0 {
		t.Errorf("got %d items after the expiry, want none", len(left))
	}
	if f := foldAll(t, table.Feed()); f.changes != 2*many || len(f.items) != 0 {
		t.Errorf("feed: got %d changes and %d remaining items, want %d and 0", f.changes, len(f.items), 2*many)
	}
}

func TestTrimRemovesChangesPastRetention(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { testTrim(t, dir) }) // for reads that time out
}

func testTrim(t *testing.T, dir string) {
	now := noon
	table := openTable(t, openStore(t, dir), Options{Stream: true, Retention: time.Hour, Now: func() time.Time { return now }})
	var sequences []string
	for i := range 4 {
		now = noon.Add(time.Duration(i) * 30 * time.Minute) // 12:00, 12:30, 13:00, 13:30
		put(t, table, fmt.Sprint(i), `{}`)
		last, err := table.Feed().Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sequences = append(sequences, last)
	}
	feed := table.Feed()
	trimmed := func(after string) {
		t.Helper()
		if _, err := feed.Read(t.Context(), shardID, after, 10); !errors.Is(err, eventsource.ErrTrimmed) {
			t.Errorf("read after %q: got the error %v, want ErrTrimmed", after, err)
		}
	}
	if n, err := table.Trim(t.Context(), noon.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("trim before the retention: got %d and the error %v, want 0", n, err)
	}
	for _, minutes := range []time.Duration{90, 91} { // the second change is an hour old, and then older
		if n, err := table.Trim(t.Context(), noon.Add(minutes*time.Minute)); n != 1 || err != nil {
			t.Errorf("trim at %d minutes: got %d and the error %v, want 1", minutes, n, err)
		}
	}
	trimmed(sequences[0])
	for _, after := range []string{"", sequences[1]} {
		if got := read(t, feed, after, 10); len(got) != 2 || got[0].Sequence != sequences[2] {
			t.Errorf("read after %q: got %d records, want the remaining two", after, len(got))
		}
	}
	// After all changes are trimmed, a reader at the last one has lost nothing.
	if n, err := table.Trim(t.Context(), noon.Add(24*time.Hour)); n != 2 || err != nil {
		t.Errorf("trim all: got %d and the error %v, want 2", n, err)
	}
	trimmed(sequences[0])
	trimmed(sequences[2])
	for _, after := range []string{"", sequences[3]} {
		if page, err := feed.Read(t.Context(), shardID, after, 10); err != nil || len(page.Records) > 0 {
			t.Errorf("read after %q: got %v and the error %v, want an empty page", after, page, err)
		}
	}
	if last, err := feed.Last(t.Context()); last != sequences[3] || err != nil {
		t.Errorf("last sequence number: got %q and the error %v, want %q", last, err, sequences[3])
	}
	// A sequence number of another feed, whose file was deleted.
	trimmed(formatSequence(1000))

	put(t, table, "new", `{}`)
	if got := read(t, feed, sequences[3], 10); len(got) != 1 || got[0].Sequence <= sequences[3] {
		t.Errorf("new change after trimming all: got %v", got)
	}
}

func TestTrimContinuesAfterABatch(t *testing.T) {
	t.Parallel()
	now := noon
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true, Now: func() time.Time { return now }})
	// All in one transaction, which is faster.
	const many = 2*trimBatch + 3
	err := table.db.Update(t.Context(), func(tx *bbolt.Tx) error {
		for range many {
			if err := table.buckets(tx).append(change{at: now, key: pipeline.Key{PK: "p", SK: "s"}, next: &pipeline.Item{}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := table.Trim(t.Context(), now.Add(25*time.Hour)); n != many || err != nil {
		t.Errorf("trim: got %d and the error %v, want %d", n, err, many)
	}
}

// TestRunSweepsAtStartAndEveryInterval runs until the context ends.
func TestRunSweepsAtStartAndEveryInterval(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, dir)
		table := openTable(t, db, Options{Stream: true})
		putExpiring(t, table, "old", time.Now().Add(-time.Minute))
		putExpiring(t, table, "soon", time.Now().Add(90*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- table.Run(ctx) }()
		synctest.Wait()
		if got := sortKeys(t, table); got["old"] || !got["soon"] {
			t.Errorf("after the start: got the items %v, want soon", got)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if got := sortKeys(t, table); len(got) > 0 {
			t.Errorf("after 3 minutes: got the items %v, want none", got)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if _, err := table.Feed().Read(ctx, shardID, formatSequence(0), 1); !errors.Is(err, eventsource.ErrTrimmed) {
			t.Errorf("first change after a day: got the error %v, want ErrTrimmed", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: got the error %v, want nil", err)
		}
	})
}

func TestRunReturnsWhenStoreCloses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(dir, store.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		table := openTable(t, db, Options{})
		done := make(chan error, 1)
		go func() { done <- table.Run(t.Context()) }()
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, store.ErrClosed) {
			t.Errorf("run: got the error %v, want ErrClosed", err)
		}
	})
}

func TestSweepWithoutWorkWritesNothing(t *testing.T) {
	t.Parallel()
	db := openStore(t, t.TempDir())
	table := openTable(t, db, Options{Stream: true})
	put(t, table, "a", `{}`)
	txid := func() (id int) {
		if err := db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := txid()
	for range 3 {
		if err := table.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after := txid(); after != before {
		t.Errorf("three sweeps without expired items: got %d transactions, want 0", after-before)
	}
}
