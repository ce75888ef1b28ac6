package leases

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// TestFinishedShardsAreArchived: scans do not read the finished shards of a
// stream that splits for days. Each is known as finished for three days, and
// then its item may expire.
func TestFinishedShardsAreArchived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		a := start(t, table, "a", Options{})
		synctest.Wait()
		const shards = 60
		for i := range shards {
			shard := fmt.Sprint("s", i)
			if _, err := a.Load(t.Context(), shard); err != nil {
				t.Fatal(err)
			}
			save(t, a, shard, "1")
			save(t, a, shard, eventsource.ShardEnd)
		}
		if _, err := a.Load(t.Context(), "open"); err != nil {
			t.Fatal(err)
		}
		ended := time.Now()
		time.Sleep(2 * a.lease)
		items := 0
		for it, err := range table.Query(t.Context(), a.pk, "") {
			if err != nil {
				t.Fatal(err)
			}
			if items++; items > 2 {
				t.Fatalf("%q is read by every scan", it.Key)
			}
		}
		b := start(t, table, "b", Options{})
		synctest.Wait()
		for i := range shards {
			shard := fmt.Sprint("s", i)
			for _, c := range []*copyOf{a, b} {
				if after, err := c.Load(t.Context(), shard); err != nil || after != eventsource.ShardEnd {
					t.Fatalf("%s: load %q: got %q, %v; want its end", c.Owner(), shard, after, err)
				}
			}
			it, err := table.Get(t.Context(), a.finishedKey(shard))
			if err != nil {
				t.Fatal(err)
			}
			if kept := it.Expires.Sub(ended); kept < finishedRetention-time.Minute || kept > finishedRetention+time.Minute {
				t.Fatalf("retention of the end of %q: got %v, want %v", shard, kept, finishedRetention)
			}
		}
	})
}

// TestArchiveMovesAShardAsItWasScanned: an item that has changed since stays,
// and errors of the table are returned.
func TestArchiveMovesAShardAsItWasScanned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		link := &failingTable{Table: table}
		a := New(link, testFeed, Options{Name: "a"})
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if err := a.Save(t.Context(), "s", eventsource.ShardEnd); err != nil {
			t.Fatal(err)
		}
		if err := a.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		link.set(true)
		if err := a.archive(t.Context()); err == nil {
			t.Error("archive with a table that fails: got no error")
		}
		link.set(false)
		it, err := table.Get(t.Context(), a.leaseKey("s"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.Put(t.Context(), it, pipeline.Always()); err != nil { // the item has another version now
			t.Fatal(err)
		}
		if err := a.archive(t.Context()); err != nil {
			t.Errorf("archive of a changed item: got %v, want no error", err)
		}
		if l := item(t, table, "s"); l.Checkpoint != eventsource.ShardEnd {
			t.Errorf("changed item: got %+v, want it kept", l)
		}
	})
}
