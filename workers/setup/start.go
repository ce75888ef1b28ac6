package setup

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

// envRuntimeAPI has the address of Lambda's Runtime API.
const envRuntimeAPI = "AWS_LAMBDA_RUNTIME_API"

// Start builds a worker from the environment and serves Lambda's invocations. It
// does not return. If build fails, Start logs the error, reports it to Lambda and
// ends the process.
//
// It does not handle SIGTERM. The work of an invocation ends with its response, and
// the process is frozen between invocations, so nothing is left to save; a source
// delivers the records of an interrupted invocation again. Handling it would cost
// each start a request, and each end the half second that Lambda then waits.
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
