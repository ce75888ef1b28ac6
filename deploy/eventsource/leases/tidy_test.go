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

// TestFinishedShardsAreNotReadAgain: a stream that splits for days leaves its
// finished shards out of what every copy reads at every beat, each is known as
// finished for three days, and the table may then forget it.
func TestFinishedShardsAreNotReadAgain(t *testing.T) {
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
				t.Fatalf("%q is read at every beat", it.Key)
			}
		}
		b := start(t, table, "b", Options{})
		synctest.Wait()
		for i := range shards {
			shard := fmt.Sprint("s", i)
			for _, c := range []*copyOf{a, b} {
				if after, err := c.Load(t.Context(), shard); err != nil || after != eventsource.ShardEnd {
					t.Fatalf("%s loads %q: %q, %v; want its end", c.Owner(), shard, after, err)
				}
			}
			it, err := table.Get(t.Context(), a.endKey(shard))
			if err != nil {
				t.Fatal(err)
			}
			if kept := it.Expires.Sub(ended); kept < rememberEnd-time.Minute || kept > rememberEnd+time.Minute {
				t.Fatalf("the end of %q is kept for %v, want %v", shard, kept, rememberEnd)
			}
		}
	})
}

// TestArchiveLeavesAlone: a finished shard is moved only as it was seen, also by
// several copies at once, and the table's error comes out.
func TestArchiveLeavesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &tabletest.Memory{}
		way := &cutOff{Table: table}
		a := New(way, testFeed, Options{Name: "a"})
		if _, err := a.Load(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if err := a.Save(t.Context(), "s", eventsource.ShardEnd); err != nil {
			t.Fatal(err)
		}
		if err := a.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		way.set(true)
		if err := a.archive(t.Context()); err == nil {
			t.Error("no error of a table that fails")
		}
		way.set(false)
		it, err := table.Get(t.Context(), a.leaseKey("s"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.Put(t.Context(), it, pipeline.Always()); err != nil { // it has another version now
			t.Fatal(err)
		}
		if err := a.archive(t.Context()); err != nil {
			t.Errorf("another copy was at it: %v", err)
		}
		if l := item(t, table, "s"); l.Checkpoint != eventsource.ShardEnd {
			t.Errorf("it removed an item that it had not seen; there is %+v", l)
		}
	})
}
