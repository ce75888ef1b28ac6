// Package eventsource calls a worker the way Lambda's event source mappings do.
//
// A [QueueMapping] polls an SQS queue, a [FeedMapping] reads a change feed (a DynamoDB stream, or the local table's feed).
// Both hand the function the JSON that Lambda hands it, under a deadline, and obey its answer by Lambda's rules: what is
// deleted, what comes back, where the checkpoint stands, what is retried, split, given up. Both run over interfaces, so the
// same rules hold over the one-machine home and over AWS, in a container without Lambda.
//
// Where a rule of Lambda's is not documented, the mapping fails closed: the records come back.
package eventsource

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"sluice/deploy/internal/broadcast"
)

// Function is what a mapping calls: the shape of a Lambda handler's Invoke.
//
// The context carries the deadline and aws-lambda-go's lambdacontext (AwsRequestID, InvokedFunctionArn). A mapping calls
// a function from several goroutines. It does not touch payload after the call, and keeps the answer only until it obeyed it.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// Lambda's limits and defaults that both mappings share.
const (
	// MaxPayloadBytes is the largest event a function gets: 6 MB.
	MaxPayloadBytes = 6 << 20
	// MaxResponseBytes is the largest answer of a function. A larger one is a function error.
	MaxResponseBytes = 6<<20 + 100
	// MaxTimeout is the longest a function may run.
	MaxTimeout = 15 * time.Minute
	// MaxBatchSize is the most records of one event; 10 for a FIFO queue.
	MaxBatchSize = 10_000
	// MaxWindow is the longest batching window.
	MaxWindow = 300 * time.Second

	defaultTimeout      = 3 * time.Second
	defaultMaxAbandoned = 10
	// returnGrace is how long a function that sees its deadline has to return before it counts as abandoned.
	returnGrace = 100 * time.Millisecond
)

// CrashError is a function that panicked, or ended its goroutine, instead of returning.
type CrashError struct {
	Value any    // what was given to panic; nil for runtime.Goexit
	Stack string // the stack at the panic
}

func (e *CrashError) Error() string {
	if e.Value == nil {
		return "function ended its goroutine without returning"
	}
	return fmt.Sprintf("function panicked: %v", e.Value)
}

// Unwrap returns the value of the panic when that is an error.
func (e *CrashError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// TimeoutError is a function that did not return before its deadline. Whatever it returns later is ignored.
type TimeoutError struct {
	After time.Duration // the function's timeout
}

func (e *TimeoutError) Error() string { return fmt.Sprintf("function timed out after %v", e.After) }

// ResponseSizeError is a function whose answer is over MaxResponseBytes.
type ResponseSizeError struct{ Bytes int }

func (e *ResponseSizeError) Error() string {
	return fmt.Sprintf("the answer has %d bytes, at most %d are allowed", e.Bytes, MaxResponseBytes)
}

// errDrained is the outcome of an invocation that the drain limit cut short, and that did not answer.
var errDrained = errors.New("invocation cut short: the drain limit is over")

// invoker runs one function for a mapping. It is safe for concurrent use.
type invoker struct {
	function     Function
	functionARN  string
	timeout      time.Duration
	maxAbandoned int
	logger       *slog.Logger

	mu        sync.Mutex
	abandoned int
	stalled   time.Time        // since when maxAbandoned of them run; zero when fewer do
	returned  broadcast.Signal // an abandoned invocation returned
}

func newInvoker(f Function, functionARN string, timeout time.Duration, maxAbandoned int, logger *slog.Logger) *invoker {
	return &invoker{
		function: f, functionARN: functionARN, timeout: timeout,
		maxAbandoned: maxAbandoned, logger: logger,
	}
}

// result is what came of one invocation.
type result struct {
	requestID string
	answer    []byte
	err       error // the function's own, *CrashError, *TimeoutError, *ResponseSizeError or errDrained
	running   bool  // the function has not returned: it was abandoned
}

// admit waits until fewer than maxAbandoned abandoned invocations still run. It returns false when ctx ends first.
func (v *invoker) admit(ctx context.Context) bool {
	for warned := false; ; warned = true {
		v.mu.Lock()
		n, returned := v.abandoned, v.returned.Next()
		v.mu.Unlock()
		if n < v.maxAbandoned {
			return ctx.Err() == nil
		}
		if !warned {
			v.logger.ErrorContext(ctx, "stalled: too many abandoned invocations still run", "abandoned", n)
		}
		select {
		case <-returned:
		case <-ctx.Done():
			return false
		}
	}
}

// call invokes the function once and returns when it did, when its deadline passed, or when ctx ended; then it waits
// returnGrace longer. An answer that arrives before the deadline counts, also when ctx has ended meanwhile: its work is done.
func (v *invoker) call(ctx context.Context, payload []byte) result {
	requestID := newRequestID()
	deadline := time.Now().Add(v.timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       requestID,
		InvokedFunctionArn: v.functionARN,
	})
	done := make(chan result, 1)
	go func() {
		r := result{requestID: requestID, err: &CrashError{}}
		defer func() {
			if p := recover(); p != nil {
				r = result{requestID: requestID, err: &CrashError{Value: p, Stack: string(debug.Stack())}}
			}
			done <- r
		}()
		answer, err := v.function(ctx, payload)
		r = result{requestID: requestID, answer: answer, err: err}
	}()

	select {
	case r := <-done:
		return v.judge(ctx, r, deadline)
	case <-ctx.Done():
	}
	late := v.judge(ctx, result{requestID: requestID, err: context.Canceled}, deadline)
	grace := time.NewTimer(returnGrace)
	defer grace.Stop()
	select {
	case r := <-done:
		return v.judge(ctx, r, deadline)
	case <-grace.C:
	}
	late.running = true
	v.abandon(requestID, done)
	return late
}

// judge is what a result is worth when it arrives now: nothing after the deadline. A function that says no more than that
// ctx cut it short has decided nothing about its records; any other error may stand for records that it put off.
func (v *invoker) judge(ctx context.Context, r result, deadline time.Time) result {
	switch {
	case !time.Now().Before(deadline):
		return result{requestID: r.requestID, err: &TimeoutError{After: v.timeout}}
	case ctx.Err() != nil && r.err == context.Canceled:
		r.err = errDrained
	case r.err == nil && len(r.answer) > MaxResponseBytes:
		return result{requestID: r.requestID, err: &ResponseSizeError{Bytes: len(r.answer)}}
	}
	return r
}

// abandon counts an invocation that goes on after its deadline, until it returns.
func (v *invoker) abandon(requestID string, done <-chan result) {
	v.mu.Lock()
	v.abandoned++
	n := v.abandoned
	if n >= v.maxAbandoned && v.stalled.IsZero() {
		v.stalled = time.Now()
	}
	v.mu.Unlock()
	started := time.Now()
	v.logger.Error("abandoned an invocation that runs past its deadline", "requestId", requestID, "abandoned", n)
	go func() {
		<-done
		v.mu.Lock()
		v.abandoned--
		n := v.abandoned
		if n < v.maxAbandoned {
			v.stalled = time.Time{}
		}
		v.returned.Broadcast()
		v.mu.Unlock()
		v.logger.Warn("an abandoned invocation returned; its result is ignored",
			"requestId", requestID, "late", time.Since(started)+returnGrace, "abandoned", n)
	}()
}

// stalledFor returns how long nothing is admitted already.
func (v *invoker) stalledFor() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stalled.IsZero() {
		return 0
	}
	return max(1, time.Since(v.stalled))
}

// newRequestID returns a random UUID, the form of Lambda's request ids.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var id [36]byte
	hex.Encode(id[:8], b[:4])
	hex.Encode(id[9:13], b[4:6])
	hex.Encode(id[14:18], b[6:8])
	hex.Encode(id[19:23], b[8:10])
	hex.Encode(id[24:], b[10:])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}

// functionARN names the function in the account and region of its source.
func functionARN(source arn.ARN, name string) string {
	return arn.ARN{
		Partition: source.Partition, Service: "lambda", Region: source.Region,
		AccountID: source.AccountID, Resource: "function:" + name,
	}.String()
}

// logFailure writes the one line of an invocation that failed as a function error.
func (v *invoker) logFailure(ctx context.Context, r result, records int) {
	attrs := []any{"requestId", r.requestID, "error", r.err, "records", records}
	if crash, ok := errors.AsType[*CrashError](r.err); ok && crash.Stack != "" {
		attrs = append(attrs, "stack", crash.Stack)
	}
	v.logger.ErrorContext(ctx, "invocation failed", attrs...)
}
