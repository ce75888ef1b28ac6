// Package channels has the notification channels that talk to AWS: mails by SES
// and messages to a topic of SNS. They are a worker's and not notify's, which
// knows no cloud.
package channels

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"sluice/notify"
	"sluice/pipeline"
)

const (
	// sendTimeout bounds one Send, the SDK's own retries included.
	sendTimeout = 30 * time.Second
	// throttled is how long a notification waits that was sent too fast, and
	// closed how long where nothing is sent at all: a quota that is used up, an
	// account that is suspended.
	throttled = time.Minute
	// noTurn is how long one waits whose turn would come after the deadline.
	noTurn = 5 * time.Second
	closed = notify.MaxRetryAfter
)

// checked is the reason for which no channel takes n, or nil.
func checked(n notify.Notification) error {
	if err := n.Validate(); err != nil {
		return &notify.RejectedError{Reason: "notification is invalid", Err: err}
	}
	return nil
}

// jittered is d and up to a quarter more, so that those who were refused
// together do not come back together.
func jittered(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// safeID is the notification's id as the other side can hold it: itself where it
// is short and plain, as those of rules are, else derived from it.
func safeID(id string) string {
	plain := len(id) <= 128
	for i := 0; plain && i < len(id); i++ {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			plain = false
		}
	}
	if plain {
		return id
	}
	return pipeline.DeriveID("notification", id)
}

// verdict is what an error of AWS means for the notification.
type verdict struct {
	rejected bool          // it would come out the same each time
	wait     time.Duration // do not try before
}

// judge gives err, of the channel that what names, the form that its verdict
// asks for.
func judge(what string, err error, v verdict) error {
	switch {
	case v.rejected:
		return &notify.RejectedError{Reason: what, Err: err}
	case v.wait > 0:
		return &notify.RetryAfterError{After: v.wait, Err: fmt.Errorf("%s: %w", what, err)}
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// said is the code and the HTTP status of AWS's answer: "" and 0 where there
// was none. The SDK has types for some codes only, and not for the same ones in
// each operation, so the codes are what counts.
func said(err error) (code string, status int) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = e.HTTPStatusCode()
	}
	return code, status
}

// isThrottled reports whether an answer means that we are too fast.
func isThrottled(code string, status int) bool {
	_, known := retry.DefaultThrottleErrorCodes[code]
	return known || strings.Contains(code, "Throttl") || status == http.StatusTooManyRequests
}

func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, sendTimeout)
}
