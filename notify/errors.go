package notify

import (
	"fmt"
	"time"
)

// RejectedError says that a notification must never be sent again: it would be
// refused each time.
type RejectedError struct {
	Reason string // for a person; never empty
	Err    error  // the cause, or nil
}

func (e *RejectedError) Error() string {
	if e.Err == nil {
		return "rejected: " + e.Reason
	}
	return "rejected: " + e.Reason + ": " + e.Err.Error()
}

func (e *RejectedError) Unwrap() error { return e.Err }

// RetryAfterError says that a notification may be sent again, but not before
// After has passed.
type RetryAfterError struct {
	After time.Duration // more than zero, at most MaxRetryAfter
	Err   error         // the cause; never nil
}

// MaxRetryAfter bounds how long the other side can make us wait, so that a
// strange answer does not park a notification for a year. It is also below the
// longest time that a queue can hide a message.
const MaxRetryAfter = time.Hour

func (e *RetryAfterError) Error() string {
	return fmt.Sprintf("retry after %s: %v", e.After, e.Err)
}

func (e *RetryAfterError) Unwrap() error { return e.Err }

// retryAfter wraps err in a RetryAfterError with d brought into its range; with
// d of zero or less it is err itself.
func retryAfter(err error, d time.Duration) error {
	if d <= 0 {
		return err
	}
	return &RetryAfterError{After: min(d, MaxRetryAfter), Err: err}
}

// RuleError says that a rule could not be used: which one, which of its
// fields, and for which record. It comes out the same each time for the same
// rule and the same change.
type RuleError struct {
	Rule  string // the rule's name, or its position when it has none
	Field string // the JSON name of the rule's field
	Key   string // the record's key; empty when the rule itself is broken
	Err   error
}

func (e *RuleError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("rule %q: %s: %v", e.Rule, e.Field, e.Err)
	}
	return fmt.Sprintf("rule %q: %s: for %q: %v", e.Rule, e.Field, e.Key, e.Err)
}

func (e *RuleError) Unwrap() error { return e.Err }
