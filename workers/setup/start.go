package setup

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

// Start builds a worker from the environment and serves Lambda with it. It does
// not return. A worker that cannot be built ends the process, and Lambda reports
// the log's last line as the reason.
func Start[W lambda.Handler](name string, build func(ctx context.Context, environ map[string]string) (W, error)) {
	w, err := build(context.Background(), Environ())
	if err != nil {
		Logger(name).Error("start", "error", err)
		os.Exit(1)
	}
	lambda.StartWithOptions(lambda.Handler(w))
}
