package tables

import (
	"testing"

	"sluice/deploy/local/store"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// openStore opens the store in dir, without fsync: the tests kill processes,
// not machines.
func openStore(t *testing.T, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(dir, store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openTable(t *testing.T, db *store.DB, o Options) *Table {
	t.Helper()
	table, err := Open(db, "records", o)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableContract(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Stream: true}} {
		name := "without a feed"
		if o.Stream {
			name = "with a feed"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := openTable(t, openStore(t, t.TempDir()), o)
			tabletest.Run(t, func(*testing.T) pipeline.Table { return table })
		})
	}
}
