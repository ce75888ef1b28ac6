package objects

import (
	"os"
	"path/filepath"
	"testing"

	"sluice/deploy/local/store"
)

// What a crash left behind is removed at the next start, and nothing else.
func TestOrphansAreSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHome(t, dir, Options{}, store.Options{NoSync: true})
	h.put(t, "k", "kept")
	u := h.begin(t, "parts")
	h.part(t, u, 1, "kept too")
	h.close()
	for _, name := range []string{"ORPHAN1", "ORPHAN2"} {
		if err := os.WriteFile(filepath.Join(dir, "objects", name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h = newHome(t, dir, Options{}, store.Options{NoSync: true})
	if n := h.files(t); n != 2 {
		t.Errorf("%d bodies after the start, want 2", n)
	}
	if got, _ := h.get(t, "k"); got != "kept" {
		t.Errorf("got %q", got)
	}
	if _, err := h.complete(t, u); err != nil {
		t.Error(err)
	}
}
