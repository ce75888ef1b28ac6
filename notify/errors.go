package notify

import (
	"fmt"
	"time"
)

// RejectedError reports a notification that is rejected each time and must not be
// sent again.
type RejectedError struct {
	Reason string // never empty
	Err    error  // the cause, or nil
}

func (e *RejectedError) Error() string {
	if e.Err == nil {
		return "rejected: " + e.Reason
	}
	return "rejected: " + e.Reason + ": " + e.Err.Error()
}

func (e *RejectedError) Unwrap() error { return e.Err }

// RetryAfterError reports a notification that can be sent again, but not before
// After.
type RetryAfterError struct {
	After time.Duration // above zero, at most MaxRetryAfter
	Err   error         // the cause; never nil
}

// MaxRetryAfter limits the delay that a receiver can request. It is below the
// longest time for which a queue can hide a message.
const MaxRetryAfter = time.Hour

func (e *RetryAfterError) Error() string {
	return fmt.Sprintf("retry after %s: %v", e.After, e.Err)
}

func (e *RetryAfterError) Unwrap() error { return e.Err }

// retryAfter returns a RetryAfterError with d limited to MaxRetryAfter, or err if d
// is not above zero.
func retryAfter(err error, d time.Duration) error {
	if d <= 0 {
		return err
	}
	return &RetryAfterError{After: min(d, MaxRetryAfter), Err: err}
}

// RuleError reports an invalid rule, or a rule that fails for a record. It is the
// same each time for the same rule and change.
type RuleError struct {
	Rule  string // the name of the rule, or its position if it has none
	Field string // the JSON name of the field
	Key   string // the key of the record; empty if the rule itself is invalid
	Err   error
}

func (e *RuleError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("rule %q: %s: %v", e.Rule, e.Field, e.Err)
	}
	return fmt.Sprintf("rule %q: %s: for %q: %v", e.Rule, e.Field, e.Key, e.Err)
}

func (e *RuleError) Unwrap() error { return e.Err }
