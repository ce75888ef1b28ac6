package tables

import (
	"errors"
	"sync/atomic"
	"testing"

	"sluice/deploy/local/store"
	"sluice/pipeline"
)

// TestWritesSyncOnce counts the syncs of each call: one for a write, none for a
// call that changes nothing.
func TestWritesSyncOnce(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"without a feed": {}, "with a feed": {Stream: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var syncs atomic.Int64
			db, err := store.Open(t.TempDir(), store.Options{Synced: func(int) { syncs.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			table := openTable(t, db, o)
			step := func(name string, want int64, do func() error) {
				t.Helper()
				before := syncs.Load()
				if err := do(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got := syncs.Load() - before; got != want {
					t.Errorf("%s: got %d syncs, want %d", name, got, want)
				}
			}
			k := pipeline.Key{PK: "a", SK: "b"}
			put := func(c pipeline.Condition) func() error {
				return func() error {
					_, err := table.Put(t.Context(), pipeline.Item{Key: k, Data: []byte(`{"n":1}`)}, c)
					return err
				}
			}
			conflict := func(do func() error) func() error {
				return func() error {
					if _, ok := errors.AsType[*pipeline.ConflictError](do()); !ok {
						return errors.New("want a conflict")
					}
					return nil
				}
			}
			step("put", 1, put(pipeline.Always()))
			step("put again", 1, put(pipeline.Always()))
			step("a put that conflicts", 0, conflict(put(pipeline.Absent())))
			step("get", 0, func() error { _, err := table.Get(t.Context(), k); return err })
			step("query", 0, func() error {
				for _, err := range table.Query(t.Context(), "a", "") {
					return err
				}
				return errors.New("nothing found")
			})
			step("delete", 1, func() error { return table.Delete(t.Context(), k, pipeline.Always()) })
			c := NewCheckpoints(db, "reader")
			step("checkpoint", 1, func() error { return c.Save(t.Context(), "1", "x") })
			step("load", 0, func() error { _, err := c.Load(t.Context(), "1"); return err })
		})
	}
}
