package setup

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

// envRuntimeAPI is where Lambda says how it is talked to.
const envRuntimeAPI = "AWS_LAMBDA_RUNTIME_API"

// Start builds a worker from the environment and serves Lambda with it. It does
// not return. The error of a worker that cannot be built is logged and reported
// to Lambda, and ends the process.
//
// It does not ask for SIGTERM. An invocation's work is done when it is answered,
// between two of them the process is frozen, and nothing is kept for later: there
// is nothing to save, and what SIGKILL cuts off comes again by its source. To ask
// would cost each start a call more, and each end the half second that Lambda
// then waits.
func Start[W lambda.Handler](name string, build func(ctx context.Context, environ map[string]string) (W, error)) {
	environ := Environ()
	LimitMemory(environ)
	w, err := build(context.Background(), environ)
	if err != nil {
		log := Logger(name)
		log.Error("start", "error", err)
		if api := os.Getenv(envRuntimeAPI); api != "" {
			if err := reportInitError(api, err); err != nil {
				log.Error("report init error", "error", err)
			}
		}
		os.Exit(1)
	}
	lambda.StartWithOptions(lambda.Handler(w))
}
