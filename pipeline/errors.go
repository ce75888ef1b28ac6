package pipeline

import (
	"errors"
	"fmt"
	"time"
)

// PermanentError says that delivering the record again cannot help.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks err so that the record is never delivered again: it goes to
// the dead letters with err as its reason. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// Permanentf is Permanent of fmt.Errorf.
func Permanentf(format string, args ...any) error {
	return &PermanentError{fmt.Errorf(format, args...)}
}

// IsPermanent reports whether err, or an error it wraps, is a *PermanentError.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*PermanentError](err)
	return ok
}

// RetryAfterError says when to try again.
type RetryAfterError struct {
	Err   error
	After time.Duration
}

func (e *RetryAfterError) Error() string { return fmt.Sprintf("%v (again after %v)", e.Err, e.After) }
func (e *RetryAfterError) Unwrap() error { return e.Err }

// RetryAfter marks err so that its record comes back, but not before d. Queues
// keep to it; elsewhere it is a plain failure. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{err, d}
}

// PanicError is the failure of a record whose handler panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ErrLost is the failure of a record whose handler did not come back in time,
// or ended its goroutine. Its late result is dropped.
var ErrLost = errors.New("the handler did not come back before the deadline")

// ErrNotStarted is the reason of a record that there was no time for.
var ErrNotStarted = errors.New("not started")

// ErrBehindFailure is the reason of a record that was not started because one
// failed that it must not overtake.
var ErrBehindFailure = errors.New("not started: a record before it failed")
