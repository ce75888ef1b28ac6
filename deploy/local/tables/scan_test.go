package tables

import (
	"fmt"
	"slices"
	"testing"

	"sluice/pipeline"
)

// TestScanReturnsEachItemOnce: over several partitions and pages, and from a key
// on.
func TestScanReturnsEachItemOnce(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{})
	var want []string
	for p := range 3 {
		for i := range pageItems {
			k := pipeline.Key{PK: fmt.Sprintf("partition%d", p), SK: fmt.Sprintf("s%04d", i)}
			if _, err := table.Put(t.Context(), pipeline.Item{Key: k, Data: []byte(`{}`)}, pipeline.Absent()); err != nil {
				t.Fatal(err)
			}
			want = append(want, k.String())
		}
	}
	scan := func(after pipeline.Key) (keys []string) {
		t.Helper()
		for it, err := range table.Scan(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, it.Key.String())
		}
		return keys
	}
	if got := scan(pipeline.Key{}); !slices.Equal(got, want) {
		t.Errorf("got %d keys, want %d in order", len(got), len(want))
	}
	after := pipeline.Key{PK: "partition1", SK: "s0100"}
	if got, rest := scan(after), want[slices.Index(want, after.String())+1:]; !slices.Equal(got, rest) {
		t.Errorf("after %s: got %d keys, want %d", after, len(got), len(rest))
	}
}
