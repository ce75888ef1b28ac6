package tables

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

func put(t *testing.T, table *Table, sk, data string) pipeline.Item {
	t.Helper()
	it, err := table.Put(t.Context(), pipeline.Item{Key: pipeline.Key{PK: "p", SK: sk}, Data: []byte(data)}, pipeline.Always())
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// read reads a page that must not be empty.
func read(t *testing.T, feed *Feed, after string, limit int) []eventsource.FeedRecord {
	t.Helper()
	page, err := feed.Read(t.Context(), shardID, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Records) == 0 {
		t.Fatalf("read after %q: got an empty page", after)
	}
	return page.Records
}

// TestFeedHoldsEachChangeOnceInOrder changes a table from several goroutines.
func TestFeedHoldsEachChangeOnceInOrder(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	var keys []pipeline.Key
	for i := range 5 {
		keys = append(keys, pipeline.Key{PK: fmt.Sprint("p", i%2), SK: fmt.Sprint("s", i)})
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for n := range 100 {
				changed, err := changeItem(t.Context(), table, keys[random.IntN(len(keys))], random, n)
				if err != nil {
					t.Error(err)
				}
				done.Add(int64(changed))
			}
		})
	}
	wg.Wait()
	f := foldAll(t, table.Feed())
	f.wantTable(t, table, keys)
	if int64(f.changes) != done.Load() {
		t.Errorf("got %d changes in the feed, want %d", f.changes, done.Load())
	}
	if f.changes < 200 {
		t.Errorf("got %d changes, want at least 200", f.changes)
	}
}

// changeItem puts, deletes or expires items at random, and returns how many
// items it changed.
func changeItem(ctx context.Context, table *Table, k pipeline.Key, random *rand.Rand, n int) (changed int, err error) {
	it := pipeline.Item{Key: k, Data: numbered(n)}
	if random.IntN(4) == 0 {
		it.Expires = time.Now().Add(time.Duration(random.IntN(10)-5) * time.Minute)
	}
	switch random.IntN(6) {
	case 0:
		_, err = table.Put(ctx, it, pipeline.Absent())
	case 1:
		_, err = table.Put(ctx, it, pipeline.Always())
	case 2:
		return table.Expire(ctx, time.Now())
	default:
		current, getErr := table.Get(ctx, k)
		if errors.Is(getErr, pipeline.ErrNotFound) {
			return 0, nil
		}
		if random.IntN(3) == 0 {
			err = table.Delete(ctx, k, pipeline.AtVersion(current.Version))
		} else {
			_, err = table.Put(ctx, it, pipeline.AtVersion(current.Version))
		}
	}
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok {
		return 0, nil
	}
	return 1, err
}

func TestOnlyChangesAreRecorded(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	last := func() string {
		s, err := table.Feed().Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got := last(); got != "" {
		t.Errorf("last sequence number of an empty feed: got %q, want none", got)
	}
	it := put(t, table, "a", `{"n":1}`)
	before := last()
	if before == "" {
		t.Error("put: got no record in the feed")
	}
	ctx, k := t.Context(), it.Key
	_, conflict := table.Put(ctx, it, pipeline.Absent())
	_, invalid := table.Put(ctx, pipeline.Item{Key: k, Data: []byte(`[]`)}, pipeline.Always())
	if conflict == nil || invalid == nil || table.Delete(ctx, k, pipeline.AtVersion("other")) == nil {
		t.Fatal("got a write that succeeded, want it refused")
	}
	if err := table.Delete(ctx, pipeline.Key{PK: "p", SK: "never"}, pipeline.Always()); err != nil {
		t.Fatal(err)
	}
	if got := last(); got != before {
		t.Errorf("failed writes and the deletion of a missing item: got records from %s to %s, want none", before, got)
	}
	// DynamoDB makes no record for a write that changes nothing, but the item's
	// version changes with each write.
	put(t, table, "a", `{"n":1}`)
	if got := last(); got == before {
		t.Error("put of the same data: got no record in the feed")
	}
}

func TestReadLimitsPages(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	for i := range 7 {
		put(t, table, fmt.Sprint(i), `{}`)
	}
	var sequences []string
	for after := ""; len(sequences) < 7; {
		records := read(t, table.Feed(), after, 3)
		if len(records) > 3 {
			t.Fatalf("got a page of %d records, want at most 3", len(records))
		}
		for _, r := range records {
			sequences = append(sequences, r.Sequence)
			after = r.Sequence
		}
	}
	if !slices.IsSorted(sequences) || len(slices.Compact(sequences)) != 7 {
		t.Errorf("got the sequence numbers %q, want 7 in order", sequences)
	}

	big := `{"fill":"` + strings.Repeat("x", 300_000) + `"}`
	for i := range 6 {
		put(t, table, fmt.Sprint("big", i), big)
	}
	if n := len(read(t, table.Feed(), sequences[6], 100)); n < 1 || n > 4 {
		t.Errorf("got a page of %d records of 300 KB, want about 1 MB", n)
	}
}

func TestReadWaitsForACommit(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	put(t, table, "a", `{}`)
	after := read(t, table.Feed(), "", 10)[0].Sequence
	for i := range 20 {
		got := make(chan eventsource.Page, 1)
		go func() {
			page, err := table.Feed().Read(t.Context(), shardID, after, 10)
			if err != nil {
				t.Error(err)
			}
			got <- page
		}()
		put(t, table, fmt.Sprint(i), `{}`)
		page := <-got
		if len(page.Records) != 1 {
			t.Fatalf("round %d: got %d records, want the one put", i, len(page.Records))
		}
		after = page.Records[0].Sequence
	}
}

func TestReadReturnsWhenContextEnds(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		page, err := table.Feed().Read(ctx, shardID, "", 10)
		if len(page.Records) > 0 {
			t.Error("got records from an empty feed")
		}
		done <- err
	}()
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want an empty page or the context's error", err)
	}
}

func TestReadRefusesUnknownShardsAndPositions(t *testing.T) {
	t.Parallel()
	db := openStore(t, t.TempDir())
	table := openTable(t, db, Options{Stream: true})
	put(t, table, "a", `{}`)
	for _, tt := range []struct {
		name, shard, after string
		limit              int
	}{
		{"another shard", "shardId-2", "", 10},
		{"invalid position", shardID, "x", 10},
		{"short position", shardID, "1", 10},
		{"long position", shardID, "1" + strings.Repeat("9", 30), 10},
		{"no limit", shardID, "", 0},
	} {
		if _, err := table.Feed().Read(t.Context(), tt.shard, tt.after, tt.limit); err == nil || errors.Is(err, eventsource.ErrTrimmed) {
			t.Errorf("%s: got the error %v, want one other than ErrTrimmed", tt.name, err)
		}
	}
	silent, err := Open(db, "silent", Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, silent, "a", `{}`)
	if shards, err := silent.Feed().Shards(t.Context()); err != nil || len(shards) != 0 {
		t.Errorf("table without a feed: got the shards %v and the error %v, want none", shards, err)
	}
	if _, err := silent.Feed().Read(t.Context(), shardID, "", 1); err == nil {
		t.Error("table without a feed: got its feed read, want an error")
	}
	if last, err := silent.Feed().Last(t.Context()); err != nil || last != "" {
		t.Errorf("table without a feed: got the last change %q and the error %v, want none", last, err)
	}
}

func TestFeedContinuesAfterReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(use func(table *Table)) {
		db := openStore(t, dir)
		use(openTable(t, db, Options{Stream: true}))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var arn string
	var before []eventsource.FeedRecord
	open(func(table *Table) {
		put(t, table, "a", `{"n":1}`)
		put(t, table, "a", `{"n":2}`)
		arn, before = table.Feed().ARN(), read(t, table.Feed(), "", 10)
	})
	open(func(table *Table) {
		if got := table.Feed().ARN(); got != arn {
			t.Errorf("ARN after reopening: got %q, want %q", got, arn)
		}
		after := read(t, table.Feed(), "", 10)
		if len(after) != 2 || string(after[1].JSON) != string(before[1].JSON) || !after[1].At.Equal(before[1].At) {
			t.Errorf("records after reopening: got %s, want %s", after, before)
		}
		put(t, table, "a", `{"n":3}`)
		if f := foldAll(t, table.Feed()); f.changes != 3 {
			t.Errorf("got %d changes in the feed, want 3", f.changes)
		}
	})
}
