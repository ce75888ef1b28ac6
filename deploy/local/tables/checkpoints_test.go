package tables

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/eventsource"
)

func TestCheckpointsArePerReaderAndShard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openStore(t, dir)
	wantLoad := func(c *Checkpoints, shard, want string) {
		t.Helper()
		if got, err := c.Load(t.Context(), shard); got != want || err != nil {
			t.Errorf("load shard %q for reader %q: got %q and the error %v, want %q", shard, c.reader, got, err, want)
		}
	}
	a, b := NewCheckpoints(db, "a"), NewCheckpoints(db, "b")
	wantLoad(a, "1", "")
	for _, save := range []struct{ shard, after string }{{"1", "x"}, {"2", "y"}, {"1", "z"}, {"3", eventsource.ShardEnd}} {
		if err := a.Save(t.Context(), save.shard, save.after); err != nil {
			t.Fatal(err)
		}
	}
	wantLoad(a, "1", "z")
	wantLoad(a, "2", "y")
	wantLoad(a, "3", eventsource.ShardEnd)
	wantLoad(b, "1", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantLoad(NewCheckpoints(openStore(t, dir), "a"), "1", "z")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Load(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("load with a cancelled context: got the error %v, want context.Canceled", err)
	}
	if err := a.Save(ctx, "1", "late"); !errors.Is(err, context.Canceled) {
		t.Errorf("save with a cancelled context: got the error %v, want context.Canceled", err)
	}
}

// TestMappingResumesAtCheckpoint stops an event source mapping on the feed and
// starts it again over the reopened store.
func TestMappingResumesAtCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var seen []string
	for round := range 3 {
		db := openStore(t, dir)
		table := openTable(t, db, Options{Stream: true})
		const each = 25
		for i := range each {
			put(t, table, fmt.Sprintf("r%d-%02d", round, i), `{}`)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var got []string
		mapping := &eventsource.FeedMapping{
			Feed: table.Feed(), Checkpoints: NewCheckpoints(db, "test"), FunctionName: "test", BatchSize: 10,
			Function: func(_ context.Context, event []byte) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				for _, part := range strings.Split(string(event), `"Keys":{"PK":{"S":"p"},"SK":{"S":"`)[1:] {
					sk, _, _ := strings.Cut(part, `"`)
					got = append(got, sk)
				}
				if len(got) >= each {
					cancel()
				}
				return []byte(`{}`), nil
			},
		}
		if err := mapping.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		seen = append(seen, got...)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, sk := range seen {
		if want := fmt.Sprintf("r%d-%02d", i/25, i%25); sk != want {
			t.Fatalf("change %d of %d: got %s, want %s", i, len(seen), sk, want)
		}
	}
	if len(seen) != 75 {
		t.Errorf("got %d changes, want 75", len(seen))
	}
}
