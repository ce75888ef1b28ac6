package pipeline

import (
	"errors"
	"fmt"
	"time"
)

// PermanentError marks a failure that retrying cannot fix.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks err so that the record is never delivered again: it becomes a
// dead letter with err as its reason. Permanent(nil) is nil.
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

// RetryAfterError marks a failure that must not be retried before After.
type RetryAfterError struct {
	Err   error
	After time.Duration
}

func (e *RetryAfterError) Error() string { return fmt.Sprintf("%v (retry after %v)", e.Err, e.After) }
func (e *RetryAfterError) Unwrap() error { return e.Err }

// RetryAfter marks err so that the record is delivered again, but not before d.
// Sources that cannot delay a record treat it as a plain failure.
// RetryAfter(nil, d) is nil.
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

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ErrLost is the failure of a record whose handler did not return before the
// deadline, or ended its goroutine. Its later result is dropped.
var ErrLost = errors.New("the handler did not return before the deadline")

// ErrNotStarted is the reason of a record for which no time was left.
var ErrNotStarted = errors.New("not started: no time left")

// ErrBlocked is the reason of a record that was not started because an earlier
// record, which it must not overtake, failed.
var ErrBlocked = errors.New("blocked: an earlier record failed")
