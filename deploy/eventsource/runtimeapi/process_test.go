package runtimeapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// start starts the test binary in a mode. The timeouts that o does not set are
// long enough for a busy machine.
func start(t *testing.T, mode string, o Options) *Process {
	t.Helper()
	path, env := self(t, mode)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	o.InitTimeout = cmp.Or(o.InitTimeout, time.Minute)
	p, err := Start(t.Context(), path, env, &o)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	p.grace = time.Minute
	t.Cleanup(p.Close)
	return p
}

func invokeEcho(t *testing.T, ctx context.Context, invoke func(context.Context, []byte) ([]byte, error), payload string) seen {
	t.Helper()
	response, err := invoke(ctx, []byte(payload))
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	var s seen
	if err := json.Unmarshal(response, &s); err != nil {
		t.Fatalf("response %q: %v", response, err)
	}
	return s
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	p := start(t, "echo", Options{FunctionName: "uploads", MemoryMB: 512})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	//lint:ignore SA1029 aws-lambda-go has no type for this key
	ctx = context.WithValue(ctx, "x-amzn-trace-id", "Root=1-2-3")

	got := invokeEcho(t, ctx, p.Invoke, `{"Records":[]}`)

	deadline, _ := ctx.Deadline()
	if got.Payload != `{"Records":[]}` || got.RequestID != "request-1" || got.Trace != "Root=1-2-3" ||
		got.ARN != "arn:aws:lambda:us-east-1:000000000000:function:uploads" ||
		!got.Remaining || got.DeadlineMS != deadline.UnixMilli() {
		t.Errorf("got %+v", got)
	}
	for name, want := range map[string]string{
		"TABLE": "records", "AWS_LAMBDA_FUNCTION_NAME": "uploads", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
		"AWS_REGION": "us-east-1", "TZ": ":UTC",
		"PATH": "", // not inherited
	} {
		if got.Env[name] != want {
			t.Errorf("environment %s: got %q, want %q", name, got.Env[name], want)
		}
	}

	second := invokeEcho(t, t.Context(), p.Invoke, `1`)
	if second.PID != got.PID || second.RequestID == "request-1" || len(second.RequestID) != 36 {
		t.Errorf("second invocation: got process %d and request %q, want process %d and another UUID", second.PID, second.RequestID, got.PID)
	}
	if !strings.HasPrefix(second.Trace, "Root=1-") || !strings.HasSuffix(second.Trace, ";Sampled=0") {
		t.Errorf("trace header: got %q", second.Trace)
	}
	if ahead := time.Until(time.UnixMilli(second.DeadlineMS)); ahead > p.options.Timeout || ahead < 0 {
		t.Errorf("deadline without one in the context: got %v ahead, want up to %v", ahead, p.options.Timeout)
	}
}

func TestOptionsDefaults(t *testing.T) {
	t.Parallel()
	var o *Options
	got := o.withDefaults("/functions/uploads/bootstrap")
	want := Options{
		FunctionName: "uploads", FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:uploads",
		MemoryMB: 128, Timeout: 3 * time.Second, InitTimeout: 10 * time.Second, Concurrency: 1, Output: io.Discard,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestInvokeRefusesARequestOverTheLimit(t *testing.T) {
	t.Parallel()
	p := start(t, "echo", Options{})
	_, err := p.Invoke(t.Context(), bytes.Repeat([]byte("1"), MaxRequestBytes+1))
	if got, ok := errors.AsType[*RequestTooLargeError](err); !ok || got.Bytes != MaxRequestBytes+1 {
		t.Errorf("got %v, want a *RequestTooLargeError", err)
	}
	invokeEcho(t, t.Context(), p.Invoke, `1`) // the process is still running
}

func TestDeadlineIsCappedAtLongestTimeout(t *testing.T) {
	t.Parallel()
	p := start(t, "echo", Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 9*365*24*time.Hour)
	defer cancel()
	got := invokeEcho(t, ctx, p.Invoke, `1`)
	if ahead := time.Until(time.UnixMilli(got.DeadlineMS)); ahead > maxTimeout || ahead < maxTimeout-time.Minute {
		t.Errorf("deadline: got %v ahead, want up to %v", ahead, maxTimeout)
	}
}

func TestFunctionErrorKeepsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "error", Options{})
	for range 2 {
		_, err := p.Invoke(t.Context(), []byte(`{}`))
		got, ok := errors.AsType[*FunctionError](err)
		if !ok || got.Type != "refusedError" || got.Message != "not today" {
			t.Fatalf("got %v, want a refusedError", err)
		}
	}
}

func TestPanicReportsAndEndsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "panic", Options{})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	got, ok := errors.AsType[*FunctionError](err)
	if !ok || got.Message != "boom" || len(got.StackTrace) == 0 || got.StackTrace[0].Line == 0 {
		t.Fatalf("got %#v, want a *FunctionError with a stack trace", err)
	}
	<-p.Exited()
	_, err = p.Invoke(t.Context(), []byte(`{}`))
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Code != 1 || !exit.Idle {
		t.Fatalf("after the panic: got %v, want an *ExitError with Idle and status 1", err)
	}
}

func TestExitDuringAnInvocation(t *testing.T) {
	t.Parallel()
	p := start(t, "exit", Options{})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Code != 7 || exit.Idle || !strings.Contains(exit.Output, "going down") {
		t.Fatalf("got %v, want status 7 with its output", err)
	}
}

func TestTimeoutKillsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "hang", Options{Timeout: 50 * time.Millisecond})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	if timeout, ok := errors.AsType[*TimeoutError](err); !ok || timeout.After < 50*time.Millisecond {
		t.Fatalf("got %v, want a timeout after 50ms", err)
	}
	<-p.Exited()
	if p.exitCode != -1 {
		t.Errorf("exit code: got %d, want -1: killed", p.exitCode)
	}
}

func TestCancelKillsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "hang", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Invoke(ctx, []byte(`{}`))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	<-p.Exited()
}

func TestResponseOverSixMB(t *testing.T) {
	t.Parallel()
	p := start(t, "large", Options{})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	if got, ok := errors.AsType[*FunctionError](err); !ok || got.Type != "Function.ResponseSizeTooLarge" {
		t.Fatalf("got %v, want Function.ResponseSizeTooLarge", err)
	}
}

func TestErrorInTrailersOfAResponse(t *testing.T) {
	t.Parallel()
	p := start(t, "fails in response", Options{})
	response, err := p.Invoke(t.Context(), []byte(`{}`))
	if got, ok := errors.AsType[*FunctionError](err); !ok || got.Type != "refusedError" || got.Message != "no more" || response != nil {
		t.Fatalf("got %q, %v; want the error of the trailers", response, err)
	}
}

func TestInvocationsRunConcurrently(t *testing.T) {
	t.Parallel()
	p := start(t, "together", Options{Concurrency: 2, Timeout: time.Minute})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := p.Invoke(t.Context(), []byte(`{}`)); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
}

func TestStartReportsInitErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mode         string
		kind, output string
		code         int
	}{
		{"no config", "Runtime.ExitError", "JOBS_QUEUE is missing", 3},
		{"reports init error", "ConfigError", "TABLE is missing", -1},
		{"reports init error and stays", "ConfigError", "TABLE is missing", -1},
		{"never ready", "Sandbox.Timedout", "not ready after", -1},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			t.Parallel()
			o := &Options{}
			if tt.mode == "never ready" {
				o.InitTimeout = 50 * time.Millisecond
			}
			path, env := self(t, tt.mode)
			_, err := Start(t.Context(), path, env, o)
			got, ok := errors.AsType[*InitError](err)
			if !ok || got.Type != tt.kind || got.ExitCode != tt.code || !strings.Contains(got.Error(), tt.output) {
				t.Fatalf("got %#v, want %s with status %d and %q", err, tt.kind, tt.code, tt.output)
			}
		})
	}
	t.Run("no such binary", func(t *testing.T) {
		t.Parallel()
		if _, err := Start(t.Context(), t.TempDir()+"/bootstrap", nil, nil); err == nil || !strings.Contains(err.Error(), "bootstrap") {
			t.Fatalf("got %v, want an error that names the binary", err)
		}
	})
}

func TestCloseRespondsWithGone(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	p := start(t, "plain error", Options{Output: &output})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	if got, ok := errors.AsType[*FunctionError](err); !ok || got.Type != "Plain" || got.Message != "it broke" {
		t.Fatalf("got %v, want the plain error", err)
	}
	p.Close()
	if got, want := output.String(), "first 202\nsecond 400\nlast 410\n"; !strings.HasPrefix(got, want) { // -cover adds a line
		t.Errorf("statuses: got %q, want %q", got, want)
	}
}

func TestCloseEndsAWaitingProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "echo", Options{})
	p.Close()
	if p.exitCode != 1 {
		t.Errorf("exit code: got %d, want 1: it received 410 and was not killed", p.exitCode)
	}
}

func TestCloseSendsSIGTERMWhenRegistered(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	p := start(t, "sigterm", Options{Output: &output})
	invokeEcho(t, t.Context(), p.Invoke, `1`)
	p.Close()
	if !strings.Contains(output.String(), "got SIGTERM") {
		t.Errorf("output: got %q, want that of the SIGTERM handler", output.String())
	}
}

func TestCloseKillsAProcessAfterTheGrace(t *testing.T) {
	t.Parallel()
	p := start(t, "ignores sigterm", Options{})
	invokeEcho(t, t.Context(), p.Invoke, `1`)
	p.grace = time.Millisecond
	p.Close()
	if p.exitCode != -1 {
		t.Errorf("exit code: got %d, want -1: killed", p.exitCode)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	w := &tail{to: &bytes.Buffer{}}
	_, _ = w.Write(bytes.Repeat([]byte("a"), outputTail))
	_, _ = w.Write([]byte("end"))
	if got := w.String(); len(got) != outputTail || !strings.HasSuffix(got, "aend") {
		t.Errorf("got %d bytes ending in %q", len(got), got[len(got)-4:])
	}
}
