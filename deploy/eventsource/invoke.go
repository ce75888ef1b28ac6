package eventsource

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"sluice/deploy/internal/broadcast"
	"sluice/deploy/internal/requestid"
)

// errDrained is the error of an invocation that the drain limit canceled and
// that returned no result of its own.
var errDrained = errors.New("invocation canceled at the drain limit")

// invoker invokes one function for a mapping. It is safe for concurrent use.
type invoker struct {
	function     Function
	functionARN  string
	timeout      time.Duration
	maxAbandoned int
	logger       *slog.Logger

	mu        sync.Mutex
	abandoned int
	stalled   time.Time        // when abandoned reached maxAbandoned; zero while it is lower
	returned  broadcast.Signal // an abandoned invocation returned
}

func newInvoker(f Function, functionARN string, timeout time.Duration, maxAbandoned int, logger *slog.Logger) *invoker {
	return &invoker{
		function: f, functionARN: functionARN, timeout: timeout,
		maxAbandoned: maxAbandoned, logger: logger,
	}
}

// result is the result of one invocation.
type result struct {
	requestID string
	response  []byte
	err       error // of the function, or *CrashError, *TimeoutError, *ResponseSizeError or errDrained
	running   bool  // the function has not returned: the invocation is abandoned
}

// admit waits until fewer than maxAbandoned abandoned invocations are running.
// It returns false if ctx ends first.
func (v *invoker) admit(ctx context.Context) bool {
	for warned := false; ; warned = true {
		v.mu.Lock()
		n, returned := v.abandoned, v.returned.Next()
		v.mu.Unlock()
		if n < v.maxAbandoned {
			return ctx.Err() == nil
		}
		if !warned {
			v.logger.ErrorContext(ctx, "stalled: too many abandoned invocations are running", "abandoned", n)
		}
		select {
		case <-returned:
		case <-ctx.Done():
			return false
		}
	}
}

// invoke invokes the function once. It waits until the function returns, the
// deadline passes or ctx ends, and in the latter cases returnGrace longer. A
// response that arrives before the deadline counts even if ctx has ended: its
// work is done.
func (v *invoker) invoke(ctx context.Context, payload []byte) result {
	requestID := requestid.New()
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
		response, err := v.function(ctx, payload)
		r = result{requestID: requestID, response: response, err: err}
	}()

	select {
	case r := <-done:
		return v.classify(ctx, r, deadline)
	case <-ctx.Done():
	}
	late := v.classify(ctx, result{requestID: requestID, err: context.Canceled}, deadline)
	grace := time.NewTimer(returnGrace)
	defer grace.Stop()
	select {
	case r := <-done:
		return v.classify(ctx, r, deadline)
	case <-grace.C:
	}
	late.running = true
	v.abandon(requestID, done)
	return late
}

// classify returns what r means if it arrives now. After the deadline it is a
// timeout. A function that returns context.Canceled itself has decided nothing
// about its records; any other error may stand for records that it failed.
func (v *invoker) classify(ctx context.Context, r result, deadline time.Time) result {
	switch {
	case !time.Now().Before(deadline):
		return result{requestID: r.requestID, err: &TimeoutError{After: v.timeout}}
	case ctx.Err() != nil && r.err == context.Canceled:
		r.err = errDrained
	case r.err == nil && len(r.response) > MaxResponseBytes:
		return result{requestID: r.requestID, err: &ResponseSizeError{Bytes: len(r.response)}}
	}
	return r
}

// abandon counts an invocation that runs past its deadline until it returns.
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

// stalledFor returns for how long no invocation has been admitted. It returns
// zero if invocations are admitted.
func (v *invoker) stalledFor() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stalled.IsZero() {
		return 0
	}
	return max(1, time.Since(v.stalled))
}

// functionARN returns the ARN of a function in the account and region of its
// event source.
func functionARN(source arn.ARN, name string) string {
	return arn.ARN{
		Partition: source.Partition, Service: "lambda", Region: source.Region,
		AccountID: source.AccountID, Resource: "function:" + name,
	}.String()
}

// logFailure writes the log line of an invocation that failed with a function
// error.
func (v *invoker) logFailure(ctx context.Context, r result, records int) {
	attrs := []any{"requestId", r.requestID, "error", r.err, "records", records}
	if crash, ok := errors.AsType[*CrashError](r.err); ok && crash.Stack != "" {
		attrs = append(attrs, "stack", crash.Stack)
	}
	v.logger.ErrorContext(ctx, "invocation failed", attrs...)
}
