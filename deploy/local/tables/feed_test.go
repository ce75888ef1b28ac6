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

// read reads what must be there.
func read(t *testing.T, feed *Feed, after string, limit int) []eventsource.FeedRecord {
	t.Helper()
	page, err := feed.Read(t.Context(), shardID, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Records) == 0 {
		t.Fatalf("nothing to read after %q", after)
	}
	return page.Records
}

// TestFeedFoldsToTheTable: whatever runs at the same time, each change is in the
// feed exactly once, in the order in which the table saw it.
func TestFeedFoldsToTheTable(t *testing.T) {
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
				changed, err := changeSomething(t.Context(), table, keys[random.IntN(len(keys))], random, n)
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
		t.Errorf("%d changes were made, the feed has %d", done.Load(), f.changes)
	}
	if f.changes < 200 {
		t.Errorf("only %d changes were made", f.changes)
	}
}

// changeSomething does one of a few things to an item, and says how many items it
// changed.
func changeSomething(ctx context.Context, table *Table, k pipeline.Key, random *rand.Rand, n int) (changed int, err error) {
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
		t.Errorf("before the first change, the last is %q, want none", got)
	}
	it := put(t, table, "a", `{"n":1}`)
	before := last()
	if before == "" {
		t.Error("a put made no record")
	}
	ctx, k := t.Context(), it.Key
	_, conflict := table.Put(ctx, it, pipeline.Absent())
	_, invalid := table.Put(ctx, pipeline.Item{Key: k, Data: []byte(`[]`)}, pipeline.Always())
	if conflict == nil || invalid == nil || table.Delete(ctx, k, pipeline.AtVersion("other")) == nil {
		t.Fatal("a write that must fail did not")
	}
	if err := table.Delete(ctx, pipeline.Key{PK: "p", SK: "never"}, pipeline.Always()); err != nil {
		t.Fatal(err)
	}
	if got := last(); got != before {
		t.Errorf("failed writes and the removal of nothing made records: %s, then %s", before, got)
	}
	// DynamoDB makes no record of a write that changes nothing, but our version
	// changes with each.
	put(t, table, "a", `{"n":1}`)
	if got := last(); got == before {
		t.Error("the same data put again made no record")
	}
}

func TestReadPages(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	for i := range 7 {
		put(t, table, fmt.Sprint(i), `{}`)
	}
	var sequences []string
	for after := ""; len(sequences) < 7; {
		records := read(t, table.Feed(), after, 3)
		if len(records) > 3 {
			t.Fatalf("got %d records, the limit is 3", len(records))
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
		t.Errorf("a page has %d records of 300 KB, want about 1 MB", n)
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
			t.Fatalf("round %d: the reader got %d records, want the one that was put", i, len(page.Records))
		}
		after = page.Records[0].Sequence
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		page, err := table.Feed().Read(ctx, shardID, "", 10)
		if len(page.Records) > 0 {
			t.Error("records of an empty feed")
		}
		done <- err
	}()
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want an empty page or the context's error", err)
	}
}

func TestReadLatest(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	for _, old := range []int{0, 3} {
		for i := range old {
			put(t, table, fmt.Sprint("old", i), `{}`)
		}
		page, err := table.Feed().Read(t.Context(), shardID, eventsource.Latest, 10)
		if err != nil || len(page.Records) != 0 || page.After == "" {
			t.Fatalf("got %v and the error %v, want an empty page with a position", page, err)
		}
		it := put(t, table, "new", `{}`)
		records := read(t, table.Feed(), page.After, 10)
		if len(records) != 1 || !strings.Contains(string(records[0].JSON), it.Version) {
			t.Errorf("after the latest position: got %d records, want the new one", len(records))
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	db := openStore(t, t.TempDir())
	table := openTable(t, db, Options{Stream: true})
	put(t, table, "a", `{}`)
	for _, tt := range []struct {
		name, shard, after string
		limit              int
	}{
		{"another shard", "shardId-2", "", 10},
		{"no position", shardID, "x", 10},
		{"a position that was written otherwise", shardID, "1", 10},
		{"a position too long", shardID, "1" + strings.Repeat("9", 30), 10},
		{"no limit", shardID, "", 0},
	} {
		if _, err := table.Feed().Read(t.Context(), tt.shard, tt.after, tt.limit); err == nil || errors.Is(err, eventsource.ErrTrimmed) {
			t.Errorf("%s: got the error %v, want one that says so", tt.name, err)
		}
	}
	silent, err := Open(db, "silent", Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, silent, "a", `{}`)
	if shards, err := silent.Feed().Shards(t.Context()); err != nil || len(shards) != 0 {
		t.Errorf("a table without a feed has the shards %v, %v", shards, err)
	}
	if _, err := silent.Feed().Read(t.Context(), shardID, "", 1); err == nil {
		t.Error("a table without a feed can be read")
	}
	if last, err := silent.Feed().Last(t.Context()); err != nil || last != "" {
		t.Errorf("a table without a feed has the last change %q, %v", last, err)
	}
}

func TestFeedGoesOnAfterReopening(t *testing.T) {
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
			t.Errorf("the ARN became %q, it was %q", got, arn)
		}
		after := read(t, table.Feed(), "", 10)
		if len(after) != 2 || string(after[1].JSON) != string(before[1].JSON) || !after[1].At.Equal(before[1].At) {
			t.Errorf("read again, the records are %s, they were %s", after, before)
		}
		put(t, table, "a", `{"n":3}`)
		if f := foldAll(t, table.Feed()); f.changes != 3 {
			t.Errorf("the feed has %d changes, want 3", f.changes)
		}
	})
}
