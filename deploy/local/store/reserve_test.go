package store

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

func TestReserveIsKeptForDeletions(t *testing.T) {
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
		d.free = func() (int64, bool) { return row.left, row.known }
		err := d.Update(t.Context(), nothing)
		if full, ok := errors.AsType[*FullError](err); ok == row.want || ok && full.Path != d.Path() {
			t.Errorf("%d bytes left, known %v: got the error %v, want it accepted: %t", row.left, row.known, err, row.want)
		}
		if err := d.UpdateEvenIfFull(t.Context(), nothing); err != nil {
			t.Errorf("%d bytes left, update that may use the reserve: %v", row.left, err)
		}
	}
}

func TestUnsupportedFolderSyncIsIgnored(t *testing.T) {
	t.Parallel()
	for _, ignored := range []error{syscall.EINVAL, syscall.ENOTSUP, os.ErrInvalid} {
		if err := ignoreUnsupported(&os.PathError{Op: "sync", Path: "folder", Err: ignored}); err != nil {
			t.Errorf("sync error %v: got it returned, want it ignored", err)
		}
	}
	if ignoreUnsupported(&os.PathError{Op: "sync", Path: "folder", Err: syscall.EIO}) == nil {
		t.Error("sync error EIO: got it ignored, want it returned")
	}
}
