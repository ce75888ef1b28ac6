package tables

import (
	"errors"
	"testing"
	"time"

	"sluice/deploy/local/store"
	"sluice/pipeline"
)

// TestFullStoreCanBeEmptied opens tables on a store that has only its reserve
// left: deletions succeed, and a put is refused.
func TestFullStoreCanBeEmptied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openStore(t, dir)
	table := openTable(t, db, Options{Stream: true})
	kept := putExpiring(t, table, "kept", time.Time{})
	putExpiring(t, table, "expired", noon.Add(-time.Hour))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db, err := store.Open(dir, store.Options{NoSync: true, MaxBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if table, err = Open(db, table.name, Options{Stream: true}); err != nil {
		t.Fatalf("open: %v", err)
	}
	_, err = table.Put(t.Context(), pipeline.Item{Key: pipeline.Key{PK: "p", SK: "new"}, Data: []byte(`{}`)}, pipeline.Always())
	if _, full := errors.AsType[*store.FullError](err); !full {
		t.Errorf("put: got %v, want a *store.FullError", err)
	}
	if n, err := table.Expire(t.Context(), noon); n != 1 || err != nil {
		t.Errorf("expire: got %d, %v, want 1", n, err)
	}
	if err := table.Delete(t.Context(), kept.Key, pipeline.Always()); err != nil {
		t.Errorf("delete: %v", err)
	}
	if n, err := table.Trim(t.Context(), time.Now().Add(48*time.Hour)); n != 4 || err != nil {
		t.Errorf("trim: got %d, %v, want the 4 changes", n, err)
	}
	if err := NewCheckpoints(db, "reader").Save(t.Context(), "shard", "1"); err != nil {
		t.Errorf("save a checkpoint: %v", err)
	}
}
