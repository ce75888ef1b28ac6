package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sluice/deploy/local/store"
)

func TestOpenInUseNamesFolderAndOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(dir, store.Options{})
	in, ok := errors.AsType[*store.InUseError](err)
	if !ok || in.Dir != dir || in.PID != os.Getpid() {
		t.Errorf("second open: got %v, want an InUseError with %q and %d", err, dir, os.Getpid())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = store.Open(dir, store.Options{})
	if err != nil {
		t.Fatalf("after the owner closed: %v", err)
	}
	_ = d.Close()
}

func TestOpenDamagedFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file cannot be truncated on Windows")
	}
	page := os.Getpagesize()
	rows := []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"text", func([]byte) []byte { return []byte(strings.Repeat("this is not a database\n", 1000)) }},
		{"short text", func([]byte) []byte { return []byte("x") }},
		{"zeroed", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"both metas damaged", func(b []byte) []byte { b[20]++; b[page+20]++; return b }},
		{"truncated to its metas", func(b []byte) []byte { return b[:2*page] }},
		{"truncated in the data", func(b []byte) []byte { return b[:5*page] }},
		{"tree pages zeroed", func(b []byte) []byte { clear(b[2*page:]); return b }},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d, err := store.Open(dir, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				if err := d.Update(t.Context(), put(string(rune('a'+i)), strings.Repeat("x", 2000))); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, store.FileName)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, r.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			for range 2 { // the first open leaves no lock
				d, err = store.Open(dir, store.Options{})
				c, ok := errors.AsType[*store.CorruptError](err)
				if !ok || c.Path != path {
					if d != nil {
						_ = d.Close()
					}
					t.Fatalf("got %v, want a CorruptError with %q", err, path)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the damaged file was changed")
			}
		})
	}
}

func TestOpenWithoutPermissionNamesFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	asUnprivileged(t, func() {
		for _, d := range []string{dir, filepath.Join(dir, "sub"), filepath.Join(dir, "sub", "sub")} {
			_, err := store.Open(d, store.Options{})
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) {
				t.Errorf("open %q: got %v, want fs.ErrPermission and the folder's name", d, err)
			}
		}
	})
}

func TestOpenCreatesPrivateFolders(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b", "c")
	d, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for ; dir != root; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil || fi.Mode().Perm() != 0o700 && runtime.GOOS != "windows" {
			t.Errorf("%s: got the mode %v and the error %v, want access for the owner only", dir, fi.Mode(), err)
		}
	}
}

func TestOpenRefusesAFile(t *testing.T) {
	t.Parallel()
	f := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(f, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{f, filepath.Join(f, "sub")} {
		if _, err := store.Open(d, store.Options{}); err == nil || !strings.Contains(err.Error(), d) {
			t.Errorf("got %v, want an error that names %q", err, d)
		}
	}
}
