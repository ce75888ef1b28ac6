package s3server

import (
	"errors"
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

// Whoever puts a damaged store aside to begin anew does not lose what it named: the next start refuses, whatever it made of the
// store, and the old file in its place gives all back.
func TestBodiesOfAnotherStoreAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHome(t, dir, Options{}, store.Options{NoSync: true})
	h.put(t, "k", "kept")
	h.close()
	file, aside := filepath.Join(dir, store.FileName), filepath.Join(dir, "aside")
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first refusal leaves a new store
		db, err := store.Open(dir, store.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(db, Options{})
		lost, ok := errors.AsType[*LostStoreError](err)
		if !ok || lost.Dir != filepath.Join(dir, "objects") || lost.Store != file || lost.Count != 1 {
			t.Errorf("got %v, want an error that names the folder and the file", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(aside, file); err != nil {
		t.Fatal(err)
	}
	h = newHome(t, dir, Options{}, store.Options{NoSync: true})
	if got, _ := h.get(t, "k"); got != "kept" {
		t.Errorf("with the store back: got %q", got)
	}
	// Without the bodies, a new store is welcome.
	h.close()
	if err := errors.Join(os.Remove(file), os.Rename(filepath.Join(dir, "objects"), filepath.Join(dir, "objects.old"))); err != nil {
		t.Fatal(err)
	}
	h = newHome(t, dir, Options{}, store.Options{NoSync: true})
	h.missing(t, "k")
}
