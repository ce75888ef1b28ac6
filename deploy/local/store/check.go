package store

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// checkFile reads every page of an existing file before the file is opened for
// writing. It changes nothing. bbolt panics on a damaged page; while it opens a
// file for writing, it panics on a goroutine of its own, where this package
// cannot recover.
func checkFile(path string) (err error) {
	fi, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	if fi.Size() == 0 {
		return nil // left by an Open that was killed before its first write
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	b, err := openRecovering(path, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = &CorruptError{Path: path, Err: fmt.Errorf("%v", p)}
		}
		err = errors.Join(err, b.Close())
	}()
	if fi, err = os.Stat(path); err != nil { // again, since the lock now excludes writers
		return err
	}
	return b.View(func(tx *bbolt.Tx) error {
		if tx.Size() > fi.Size() {
			return &CorruptError{Path: path, Err: fmt.Errorf("truncated: got %d bytes, want at least %d", fi.Size(), tx.Size())}
		}
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return walk(b) })
	})
}

// openRecovering is bbolt.Open for a file that may be damaged. It turns a panic
// into a CorruptError and closes the file, which releases the lock.
func openRecovering(path string, o *bbolt.Options) (b *bbolt.DB, err error) {
	var file *os.File
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode)
		file = f
		return f, err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if file != nil {
				_ = file.Close()
			}
			b, err = nil, &CorruptError{Path: path, Err: fmt.Errorf("%v", p)}
		}
	}()
	return bbolt.Open(path, 0o600, o)
}

// walk visits every key of b and of its nested buckets.
func walk(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v != nil {
			return nil
		}
		return walk(b.Bucket(k))
	})
}
