package runtimeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// modeVariable makes the test binary a bootstrap: the tests run their own
// binary as the function.
const modeVariable = "SLUICE_TEST_BOOTSTRAP"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		bootstrap(mode)
		return
	}
	os.Exit(m.Run())
}

// markerVariable names a folder that the first invocation of a mode ending in
// "once" creates.
const markerVariable = "SLUICE_TEST_MARKER"

// seen is the response of echo: what the bootstrap saw of an invocation.
type seen struct {
	Payload    string
	RequestID  string
	ARN        string
	Trace      string
	Remaining  bool // the deadline has not passed
	DeadlineMS int64
	Env        map[string]string
	PID        int
}

type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

func bootstrap(mode string) {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	post := func(path, body string) *http.Response {
		res, err := http.Post(base+path, "application/json", strings.NewReader(body))
		if err != nil {
			os.Exit(99)
		}
		res.Body.Close()
		return res
	}
	switch mode {
	case "echo":
		lambda.Start(echo)
	case "error":
		lambda.Start(func() error { return &refusedError{"not today"} })
	case "panic":
		lambda.Start(func() error { panic("boom") })
	case "hang":
		lambda.Start(func() { select {} })
	case "exit":
		lambda.Start(func() { fmt.Fprintln(os.Stderr, "going down"); os.Exit(7) })
	case "large":
		lambda.Start(func() (string, error) { return strings.Repeat("x", 7<<20), nil })
	case "fails in response": // while it streams the response
		lambda.Start(func() (io.Reader, error) {
			return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(&refusedError{"no more"})), nil
		})
	case "exit once", "panic once", "hang once": // once in all processes that share the marker
		lambda.Start(func() (map[string]any, error) {
			if err := os.Mkdir(os.Getenv(markerVariable), 0o700); err != nil {
				return map[string]any{"batchItemFailures": []any{}}, nil
			}
			switch mode {
			case "exit once":
				os.Exit(7)
			case "hang once":
				select {}
			}
			panic("boom")
		})
	case "together": // responds when two invocations are running
		var both sync.WaitGroup
		both.Add(2)
		lambda.Start(func() { both.Done(); both.Wait() })
	case "sigterm":
		lambda.StartWithOptions(echo, lambda.WithEnableSIGTERM(func() { fmt.Println("got SIGTERM"); os.Exit(0) }))
	case "ignores sigterm":
		lambda.StartWithOptions(echo, lambda.WithEnableSIGTERM(func() {}))
	case "no config":
		fmt.Fprintln(os.Stderr, "JOBS_QUEUE is missing")
		os.Exit(3)
	case "reports init error":
		post("init/error", `{"errorType":"ConfigError","errorMessage":"TABLE is missing"}`)
		os.Exit(1)
	case "reports init error and stays":
		post("init/error", `{"errorType":"ConfigError","errorMessage":"TABLE is missing"}`)
		select {}
	case "never ready":
		select {}
	case "plain error": // a runtime that reports an error without JSON and then a response
		res, err := http.Get(base + "invocation/next")
		if err != nil {
			os.Exit(99)
		}
		id := res.Header.Get("Lambda-Runtime-Aws-Request-Id")
		req, _ := http.NewRequest(http.MethodPost, base+"invocation/"+id+"/error", strings.NewReader("it broke\n"))
		req.Header.Set("Lambda-Runtime-Function-Error-Type", "Plain")
		if res, err := http.DefaultClient.Do(req); err == nil {
			fmt.Println("first", res.StatusCode)
		}
		fmt.Println("second", post("invocation/"+id+"/response", "{}").StatusCode)
		res, _ = http.Get(base + "invocation/next")
		fmt.Println("last", res.StatusCode)
	}
}

func echo(ctx context.Context, payload json.RawMessage) (seen, error) {
	deadline, _ := ctx.Deadline()
	lc, _ := lambdacontext.FromContext(ctx)
	trace, _ := ctx.Value("x-amzn-trace-id").(string)
	env := make(map[string]string)
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return seen{
		Payload: string(payload), RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn, Trace: trace,
		Remaining: ctx.Err() == nil, DeadlineMS: deadline.UnixMilli(), Env: env, PID: os.Getpid(),
	}, nil
}

// self returns the path of the test binary and the environment that makes it a
// bootstrap.
func self(t *testing.T, mode string) (path string, env []string) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path, []string{modeVariable + "=" + mode, "TABLE=records"}
}
