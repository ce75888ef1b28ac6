// Package awsnotify holds the rules that the channels over AWS services share:
// which errors reject a notification, how long a refused one waits, and the
// form in which a service receives its ID.
package awsnotify

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"sluice/notify"
	"sluice/pipeline"
)

const (
	// Timeout bounds one Send, including the SDK's own retries.
	Timeout = 30 * time.Second
	// throttledWait is the delay before a throttled notification is sent again.
	throttledWait = time.Minute
	// closedWait is the delay while the service accepts nothing from the
	// account: its quota is used up, or it is suspended.
	closedWait = notify.MaxRetryAfter
)

// Validate returns n.Validate as a *notify.RejectedError, or nil.
func Validate(n notify.Notification) error {
	if err := n.Validate(); err != nil {
		return &notify.RejectedError{Reason: "notification is invalid", Err: err}
	}
	return nil
}

// Jitter returns d plus up to a quarter, so that notifications refused together
// are not sent again together.
func Jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// SafeID returns id if the services accept it: at most 128 bytes of letters,
// digits, "-" and "_", as the IDs of rules are. Any other id is replaced by one
// derived from it.
func SafeID(id string) string {
	unsafe := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if len(id) <= 128 && !strings.ContainsFunc(id, unsafe) {
		return id
	}
	return pipeline.DeriveID("notification", id)
}

// Codes lists the error codes of a service that are not left to a retry.
type Codes struct {
	Rejected []string // the service refuses this message each time
	Closed   []string // the service accepts no message from this account for now
}

// Error returns err as the error that the channel called name reports: a
// *notify.RejectedError, a *notify.RetryAfterError for a closed account or a
// throttled request, or err itself with the name, which is retried.
//
// It compares error codes, because the SDK has types for some codes only, and
// not for the same ones in each operation.
func (c Codes) Error(name string, err error) error {
	var code string
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	wrapped := fmt.Errorf("%s: %w", name, err)
	switch {
	case slices.Contains(c.Rejected, code):
		return &notify.RejectedError{Reason: name, Err: err}
	case slices.Contains(c.Closed, code):
		return &notify.RetryAfterError{After: closedWait, Err: wrapped}
	case isThrottled(code, err):
		return &notify.RetryAfterError{After: Jitter(throttledWait), Err: wrapped}
	}
	return wrapped
}

// isThrottled reports whether the service refused a request because the account
// sends too many.
func isThrottled(code string, err error) bool {
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok || strings.Contains(code, "Throttl") {
		return true
	}
	e, ok := errors.AsType[*awshttp.ResponseError](err)
	return ok && e.HTTPStatusCode() == http.StatusTooManyRequests
}
