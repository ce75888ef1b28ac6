package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"
)

// ErrClosed is the answer of a store that was closed.
var ErrClosed = errors.New("store: closed")

// errGiveUp rolls a transaction back without being anybody's answer.
var errGiveUp = errors.New("store: group given up")

// InUseError says that another process owns the store.
type InUseError struct {
	Dir string
	PID int // of the owner, 0 if it is not known
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data folder %q is in use by another process", e.Dir)
	}
	return fmt.Sprintf("data folder %q is in use by process %d", e.Dir, e.PID)
}

// CorruptError says that the file is not a store, or not a whole one. Nothing was changed in it.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%q is damaged or no store, and was left as it is: %v", e.Path, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// FullError says that there was no room to write. Nothing of the update has happened, and the store works again when there is
// room.
type FullError struct {
	Path string
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("no room to write %q, nothing was changed: %v", e.Path, e.Err)
}

func (e *FullError) Unwrap() error { return e.Err }

// BrokenError says that a write failed in a way that leaves unknown what the disk holds, a failed fsync for one. The store
// refuses everything until it is opened again. What was acknowledged before is safe.
type BrokenError struct {
	Path string
	Err  error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("%q cannot be written any more, start again when the disk is well: %v", e.Path, e.Err)
}

func (e *BrokenError) Unwrap() error { return e.Err }

// PanicError is the answer to an update whose function panicked. Its changes were undone.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("store: update panicked: %v", e.Value) }

// Unwrap gives the panic's value if that was an error.
func (e *PanicError) Unwrap() error { err, _ := e.Value.(error); return err }

// unchanged marks the answer of a function that changed nothing.
type unchanged struct{ err error }

func (u unchanged) Error() string { return fmt.Sprintf("unchanged: %v", u.err) }
func (u unchanged) Unwrap() error { return u.err }

// Unchanged marks the answer of an update function that has changed nothing, an error or nil. [DB.Update] then returns err
// itself, the calls that share the transaction need not run again because of an error, and where all of them changed nothing,
// nothing is written. A function that marks wrongly gets its changes written, or lost.
func Unchanged(err error) error { return unchanged{err} }

// isUnchanged looks at the outermost error only: a mark that was wrapped by someone else is not that function's word.
func isUnchanged(err error) bool { _, ok := err.(unchanged); return ok }

// bare takes the mark off.
func bare(err error) error {
	if u, ok := err.(unchanged); ok {
		return u.err
	}
	return err
}

// isFull tells a write that found no room from other failures. bbolt undoes such a transaction whole. A sync's ENOSPC is not
// among them: it comes as a bare errno, and what it lost is unknown.
func isFull(err error) bool {
	var path *fs.PathError
	if errors.As(err, &path) && (path.Op == "write" || path.Op == "truncate") {
		return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	}
	// bbolt flattens the error of growing the file to text; nothing has been written then.
	return strings.HasPrefix(err.Error(), "file resize error")
}

// harmless tells errors that bbolt gives before it writes.
func harmless(err error) bool {
	return errors.Is(err, berrors.ErrDatabaseNotOpen) || errors.Is(err, berrors.ErrDatabaseReadOnly)
}

// translate gives bbolt's own errors our names.
func translate(path string, err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("%w: %q", ErrClosed, path)
	}
	return err
}
