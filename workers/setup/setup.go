// Package setup has the parts that the workers' mains share: settings from the
// environment, the logger, the configuration of AWS clients, and the start.
package setup

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"sluice/pipeline"
)

// Logger returns a worker's logger. In Lambda it writes with
// lambdacontext.NewLogHandler, which adds the request's id; elsewhere it writes
// text to standard error. Lines of a record have its id, source and attempt.
func Logger(worker string) *slog.Logger {
	var h slog.Handler = slog.NewTextHandler(os.Stderr, nil)
	if os.Getenv(envRuntimeAPI) != "" {
		h = lambdacontext.NewLogHandler()
	}
	return slog.New(pipeline.LogHandler(h)).With("worker", worker)
}

// AWS loads the configuration of the SDK's clients. It is called once in a process.
// The SDK reads AWS_ENDPOINT_URL and its forms for single services. Requests carry
// the trace of the invocation of their context.
func AWS(ctx context.Context) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return c, fmt.Errorf("AWS configuration: %w", err)
	}
	c.APIOptions = append(c.APIOptions, addTrace)
	return c, nil
}
