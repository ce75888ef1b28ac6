package tables

import (
	"fmt"
	"strings"
	"testing"

	"sluice/pipeline"
)

// TestPagesAreLimitedByItemsAndBytes reads all pages of a partition: each
// continues after the last item of the one before.
func TestPagesAreLimitedByItemsAndBytes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		count   int
		data    string
		atMost  int // items of a page
		atLeast int // pages
	}{
		{"by items", 2*pageItems + 1, `{}`, pageItems, 3},
		{"by bytes", 9, `{"fill":"` + strings.Repeat("x", 300_000) + `"}`, 4, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table := openTable(t, openStore(t, t.TempDir()), Options{})
			for i := range tt.count {
				put(t, table, fmt.Sprintf("s%04d", i), tt.data)
			}
			prefix := itemKey(pipeline.Key{PK: "p", SK: "s"})
			var after []byte
			pages, seen := 0, 0
			for more := true; more; pages++ {
				items, m, err := table.page("p", prefix, after)
				if err != nil {
					t.Fatal(err)
				}
				if more = m; len(items) == 0 || len(items) > tt.atMost {
					t.Fatalf("page %d: got %d items, want 1 to %d", pages, len(items), tt.atMost)
				}
				for _, it := range items {
					if want := fmt.Sprintf("s%04d", seen); it.Key.SK != want {
						t.Fatalf("item %d: got %q, want %q", seen, it.Key.SK, want)
					}
					seen++
				}
				after = itemKey(items[len(items)-1].Key)
			}
			if seen != tt.count || pages < tt.atLeast {
				t.Errorf("got %d items on %d pages, want %d on at least %d", seen, pages, tt.count, tt.atLeast)
			}
		})
	}
}
