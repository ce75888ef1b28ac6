package objectstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

// The next start removes the bodies that a crash orphaned, and no others.
func TestOrphanedBodiesAreSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := s3test.New(t, dir, objectstore.Options{}, store.Options{NoSync: true})
	h.Put(t, "k", "kept")
	u := h.Begin(t, "parts")
	h.Part(t, u, 1, "kept too")
	h.Close()
	for _, name := range []string{"ORPHAN1", "ORPHAN2"} {
		if err := os.WriteFile(filepath.Join(dir, "objects", name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h = s3test.New(t, dir, objectstore.Options{}, store.Options{NoSync: true})
	if n := h.Bodies(t); n != 2 {
		t.Errorf("%d bodies after the start, want 2", n)
	}
	if got, _ := h.Get(t, "k"); got != "kept" {
		t.Errorf("got %q", got)
	}
	if _, err := h.Complete(t, u); err != nil {
		t.Error(err)
	}
}

// A start without the local file that names the bodies is refused, also the second
// time, and removes nothing. With the old file back in its place all objects exist.
func TestBodiesOfAnotherStoreAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := s3test.New(t, dir, objectstore.Options{}, store.Options{NoSync: true})
	h.Put(t, "k", "kept")
	h.Close()
	file, aside := filepath.Join(dir, store.FileName), filepath.Join(dir, "aside")
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first refusal leaves a new store
		db, err := store.Open(dir, store.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = objectstore.Open(db, objectstore.Options{})
		lost, ok := errors.AsType[*objectstore.LostStoreError](err)
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
	h = s3test.New(t, dir, objectstore.Options{}, store.Options{NoSync: true})
	if got, _ := h.Get(t, "k"); got != "kept" {
		t.Errorf("with the store back: got %q", got)
	}
	// Without the bodies, a new local file is accepted.
	h.Close()
	if err := errors.Join(os.Remove(file), os.Rename(filepath.Join(dir, "objects"), filepath.Join(dir, "objects.old"))); err != nil {
		t.Fatal(err)
	}
	h = s3test.New(t, dir, objectstore.Options{}, store.Options{NoSync: true})
	h.Missing(t, "k")
}

func TestStaleUploadsAreAborted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	o := objectstore.Options{Now: func() time.Time { return now }}
	o.SetStaleUpload(24 * time.Hour)
	h := s3test.New(t, dir, o, store.Options{NoSync: true})
	old := h.Begin(t, "old")
	h.Part(t, old, 1, "some")
	now = now.Add(20 * time.Hour)
	young := h.Begin(t, "young")
	h.Part(t, young, 1, "more")
	now = now.Add(5 * time.Hour)
	h.Begin(t, "next") // sweeps, as an hour is over
	_, err := h.Complete(t, old)
	s3test.WantCode(t, err, "NoSuchUpload")
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies, want 1", n)
	}
	now = now.Add(20 * time.Hour)
	h.Close()
	h = s3test.New(t, dir, o, store.Options{NoSync: true})
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies after a start, want none", n)
	}
}
