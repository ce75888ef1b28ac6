package store

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

func TestNearlyFullDiskKeepsTheReserve(t *testing.T) {
	t.Parallel()
	d, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	nothing := func(*bbolt.Tx) error { return nil }
	for _, row := range []struct {
		left  int64
		known bool
		want  bool
	}{{1 << 30, true, true}, {1 << 20, true, false}, {0, true, false}, {0, false, true}} {
		d.room = func() (int64, bool) { return row.left, row.known }
		err := d.Update(t.Context(), nothing)
		if full, ok := errors.AsType[*FullError](err); ok == row.want || ok && full.Path != d.Path() {
			t.Errorf("%d bytes left, known %v: got %v", row.left, row.known, err)
		}
		if err := d.UpdateEvenIfFull(t.Context(), nothing); err != nil {
			t.Errorf("%d bytes left, with the reserve: %v", row.left, err)
		}
	}
}

func TestFoldersThatCannotBeSynced(t *testing.T) {
	t.Parallel()
	for _, ignored := range []error{syscall.EINVAL, syscall.ENOTSUP, os.ErrInvalid} {
		if err := ignoreUnsupported(&os.PathError{Op: "sync", Path: "folder", Err: ignored}); err != nil {
			t.Errorf("got %v, want it ignored", err)
		}
	}
	if ignoreUnsupported(&os.PathError{Op: "sync", Path: "folder", Err: syscall.EIO}) == nil {
		t.Error("a sync that failed is ignored")
	}
}
