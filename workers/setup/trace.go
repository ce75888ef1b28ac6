package setup

import (
	"context"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// traceKey is where aws-lambda-go keeps an invocation's X-Ray trace header.
	traceKey    = "x-amzn-trace-id"
	traceHeader = "X-Amzn-Trace-Id"
)

// addTrace makes requests carry the trace header of the invocation in their
// context: X-Ray joins them to it, SQS hands it on with each message of the
// request as AWSTraceHeader, and Lambda's detection of recursion counts it.
//
// The SDK does the same from the environment, which is right only while a
// process has one invocation at a time: not on managed instances, nor for what a
// past invocation has left running.
func addTrace(stack *middleware.Stack) error {
	return stack.Build.Add(middleware.BuildMiddlewareFunc("SluiceTrace", func(
		ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
	) (middleware.BuildOutput, middleware.Metadata, error) {
		trace, _ := ctx.Value(traceKey).(string)
		if req, ok := in.Request.(*smithyhttp.Request); ok && trace != "" {
			req.Header.Set(traceHeader, trace)
		}
		return next.HandleBuild(ctx, in)
	}), middleware.Before)
}
