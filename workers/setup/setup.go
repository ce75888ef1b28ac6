// Package setup is what the mains of all workers do alike: settings from the
// environment, a logger, the configuration of AWS's clients, and the start.
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

// Logger returns a worker's logger. In Lambda it writes as
// lambdacontext.NewLogHandler does, with the request's id; elsewhere readable
// lines on standard error. Lines of a record carry its id, source and attempt.
func Logger(worker string) *slog.Logger {
	var h slog.Handler = slog.NewTextHandler(os.Stderr, nil)
	if os.Getenv(envRuntimeAPI) != "" {
		h = lambdacontext.NewLogHandler()
	}
	return slog.New(pipeline.LogHandler(h)).With("worker", worker)
}

// AWS loads what the SDK's clients need, once a process. AWS_ENDPOINT_URL and
// its forms for one service are honoured by the SDK. Requests carry the trace of
// the invocation they are made for.
func AWS(ctx context.Context) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return c, fmt.Errorf("AWS configuration: %w", err)
	}
	c.APIOptions = append(c.APIOptions, addTrace)
	return c, nil
}
