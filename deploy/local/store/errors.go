package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"
)

// ErrClosed is returned by the methods of a closed store.
var ErrClosed = errors.New("store: closed")

// errRollback rolls a transaction back. No caller receives it.
var errRollback = errors.New("store: group rolled back")

// InUseError reports that another process owns the store.
type InUseError struct {
	Dir string
	PID int // process id of the owner, 0 if unknown
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data folder %q is in use by another process", e.Dir)
	}
	return fmt.Sprintf("data folder %q is in use by process %d", e.Dir, e.PID)
}

// CorruptError reports that the file is not a store or is damaged. The file is
// unchanged.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%q is not a store or is damaged; it was not changed: %v", e.Path, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// FullError reports that there is no space to write. The update had no effect.
// The store accepts updates again as soon as there is space.
type FullError struct {
	Path string
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("no space to write %q; nothing was changed: %v", e.Path, e.Err)
}

func (e *FullError) Unwrap() error { return e.Err }

// BrokenError reports that a write failed and that the contents of the disk are
// unknown, as after a failed fsync. The store refuses every call until it is
// opened again. Updates acknowledged before are safe.
type BrokenError struct {
	Path string
	Err  error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("%q cannot be written any more; repair the disk and restart: %v", e.Path, e.Err)
}

func (e *BrokenError) Unwrap() error { return e.Err }

// PanicError is returned for an update whose function panicked. The changes of
// the function are rolled back.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("store: update panicked: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error { err, _ := e.Value.(error); return err }

// unchanged wraps the result of an update function that changed nothing.
type unchanged struct{ err error }

func (u unchanged) Error() string { return fmt.Sprintf("unchanged: %v", u.err) }
func (u unchanged) Unwrap() error { return u.err }

// Unchanged marks err, which may be nil, as the result of an update function
// that has changed nothing. [DB.Update] returns err itself. An error so marked
// does not make the other calls of the transaction run again, and a transaction
// whose calls all changed nothing is not written. If a function returns
// Unchanged after a change, the change is written or lost, depending on the
// other calls.
func Unchanged(err error) error { return unchanged{err} }

// isUnchanged looks at the outermost error only: a wrapped mark comes from
// another function and says nothing about this one.
func isUnchanged(err error) bool { _, ok := err.(unchanged); return ok }

// unmark removes the mark of [Unchanged].
func unmark(err error) error {
	if u, ok := err.(unchanged); ok {
		return u.err
	}
	return err
}

// isFull reports whether err is a write that found no space. bbolt rolls back
// such a transaction completely. ENOSPC from a sync does not count: it is a
// bare errno, and the data it lost is unknown.
func isFull(err error) bool {
	var path *fs.PathError
	if errors.As(err, &path) && (path.Op == "write" || path.Op == "truncate") {
		return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	}
	// bbolt formats the error of growing the file as text. Nothing was written.
	return strings.HasPrefix(err.Error(), "file resize error")
}

// beforeWrite reports whether bbolt returned err before it wrote anything.
func beforeWrite(err error) bool {
	return errors.Is(err, berrors.ErrDatabaseNotOpen) || errors.Is(err, berrors.ErrDatabaseReadOnly)
}

// translate turns bbolt's errors into those of this package.
func translate(path string, err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("%w: %q", ErrClosed, path)
	}
	return err
}
