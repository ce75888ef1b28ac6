package setup

import (
	"context"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// traceKey is the context key of aws-lambda-go for an invocation's X-Ray trace
	// header.
	traceKey    = "x-amzn-trace-id"
	traceHeader = "X-Amzn-Trace-Id"
)

// addTrace adds the trace header of the context's invocation to requests. X-Ray
// joins them by it, SQS passes it on with each message as AWSTraceHeader, and
// Lambda's detection of recursion counts it.
//
// The SDK adds the header of the environment, which is the right one only if a
// process has one invocation at a time, and so not on managed instances.
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
