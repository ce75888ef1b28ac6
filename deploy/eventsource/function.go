// Package eventsource invokes a function as Lambda's event source mappings do.
//
// A [QueueMapping] polls an SQS queue. A [FeedMapping] reads a change feed: a
// DynamoDB stream, or the feed of a local table. Both pass the function the
// JSON that Lambda passes, under a deadline, and follow Lambda's rules for its
// response: which messages are deleted and which become visible again, where
// the checkpoint is, and which records are retried, split or given up. Both
// depend on interfaces, so the same rules apply in the local stack and, in a
// container, to SQS and DynamoDB.
//
// Where Lambda's behavior is not documented, a mapping fails closed: it
// delivers the records again.
package eventsource

import (
	"context"
	"fmt"
	"time"
)

// Function is what a mapping invokes. It has the signature of the Invoke method
// of a Lambda handler.
//
// The context carries the deadline and aws-lambda-go's lambdacontext, with
// AwsRequestID and InvokedFunctionArn. A mapping invokes a function from
// several goroutines. It does not use payload after the invocation, and it does
// not keep the response after it has processed it.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// Lambda's limits and defaults that both mappings share.
const (
	// MaxPayloadBytes is the size of the largest event: 6 MB.
	MaxPayloadBytes = 6 << 20
	// MaxResponseBytes is the size of the largest response. A larger one is a
	// function error.
	MaxResponseBytes = 6<<20 + 100
	// MaxTimeout is the longest timeout of a function.
	MaxTimeout = 15 * time.Minute

	defaultTimeout      = 3 * time.Second
	defaultMaxAbandoned = 10
	// returnGrace is how long a function may take to return after its deadline
	// before the invocation counts as abandoned.
	returnGrace = 100 * time.Millisecond
)

// CrashError reports a function that panicked, or that ended its goroutine,
// instead of returning.
type CrashError struct {
	Value any    // the argument of panic; nil for runtime.Goexit
	Stack string // the stack at the panic
}

func (e *CrashError) Error() string {
	if e.Value == nil {
		return "function ended its goroutine without returning"
	}
	return fmt.Sprintf("function panicked: %v", e.Value)
}

// Unwrap returns the argument of panic if it is an error.
func (e *CrashError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// TimeoutError reports a function that did not return before its deadline. A
// result that it returns later is ignored.
type TimeoutError struct {
	After time.Duration // the timeout of the function
}

func (e *TimeoutError) Error() string { return fmt.Sprintf("function timed out after %v", e.After) }

// ResponseSizeError reports a response that is larger than MaxResponseBytes.
type ResponseSizeError struct{ Bytes int }

func (e *ResponseSizeError) Error() string {
	return fmt.Sprintf("function response: got %d bytes, want at most %d", e.Bytes, MaxResponseBytes)
}
