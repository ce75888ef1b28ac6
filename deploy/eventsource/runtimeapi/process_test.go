package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

func start(t *testing.T, mode string, o *Options) *Process {
	t.Helper()
	path, env := self(t, mode)
	p, err := Start(t.Context(), path, env, o)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

func invokeEcho(t *testing.T, ctx context.Context, invoke func(context.Context, []byte) ([]byte, error), payload string) seen {
	t.Helper()
	answer, err := invoke(ctx, []byte(payload))
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	var s seen
	if err := json.Unmarshal(answer, &s); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	return s
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	p := start(t, "echo", &Options{FunctionName: "uploads", MemoryMB: 512})
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
		"PATH": "", // nothing is inherited
	} {
		if got.Env[name] != want {
			t.Errorf("environment %s: got %q, want %q", name, got.Env[name], want)
		}
	}

	second := invokeEcho(t, t.Context(), p.Invoke, `1`)
	if second.PID != got.PID || second.RequestID == "request-1" || len(second.RequestID) != 36 {
		t.Errorf("second invocation: got process %d and request %q, want process %d and a new UUID", second.PID, second.RequestID, got.PID)
	}
	if !strings.HasPrefix(second.Trace, "Root=1-") || !strings.HasSuffix(second.Trace, ";Sampled=0") {
		t.Errorf("trace header: got %q", second.Trace)
	}
	if ahead := time.Until(time.UnixMilli(second.DeadlineMS)); ahead > defaultTimeout || ahead < 0 {
		t.Errorf("deadline without one in the context: got %v ahead, want up to %v", ahead, defaultTimeout)
	}
}

func TestErrorKeepsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "error", nil)
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
	p := start(t, "panic", nil)
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	got, ok := errors.AsType[*FunctionError](err)
	if !ok || got.Message != "boom" || len(got.StackTrace) == 0 || got.StackTrace[0].Line == 0 {
		t.Fatalf("got %#v, want a function error with a stack", err)
	}
	<-p.Exited()
	_, err = p.Invoke(t.Context(), []byte(`{}`))
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Code != 1 || !exit.Idle {
		t.Fatalf("after the panic: got %v, want an idle exit with status 1", err)
	}
}

func TestExitInMidInvocation(t *testing.T) {
	t.Parallel()
	p := start(t, "exit", nil)
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Code != 7 || exit.Idle || !strings.Contains(exit.Output, "going down") {
		t.Fatalf("got %v, want status 7 with its output", err)
	}
}

func TestTimeoutKillsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "hang", &Options{Timeout: 50 * time.Millisecond})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	if timeout, ok := errors.AsType[*TimeoutError](err); !ok || timeout.After < 50*time.Millisecond {
		t.Fatalf("got %v, want a timeout after 50ms", err)
	}
	<-p.Exited()
	if p.exitCode != -1 {
		t.Errorf("exit code %d, want -1: killed", p.exitCode)
	}
}

func TestCancelKillsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "hang", nil)
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
	p := start(t, "large", nil)
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	if got, ok := errors.AsType[*FunctionError](err); !ok || got.Type != "Function.ResponseSizeTooLarge" {
		t.Fatalf("got %v, want Function.ResponseSizeTooLarge", err)
	}
}

func TestErrorBehindAStreamedResponse(t *testing.T) {
	t.Parallel()
	p := start(t, "breaks off", nil)
	answer, err := p.Invoke(t.Context(), []byte(`{}`))
	if got, ok := errors.AsType[*FunctionError](err); !ok || got.Type != "refusedError" || got.Message != "no more" || answer != nil {
		t.Fatalf("got %q, %v; want the error behind the response", answer, err)
	}
}

func TestConcurrentNext(t *testing.T) {
	t.Parallel()
	p := start(t, "together", &Options{Concurrency: 2, Timeout: time.Minute})
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

func TestInitErrors(t *testing.T) {
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
				t.Fatalf("got %#v, want %s with status %d saying %q", err, tt.kind, tt.code, tt.output)
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

func TestCloseEndsTheLoopWithGone(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	p := start(t, "plain error", &Options{Output: &output})
	_, err := p.Invoke(t.Context(), []byte(`{}`))
	if got, ok := errors.AsType[*FunctionError](err); !ok || got.Type != "Plain" || got.Message != "it broke" {
		t.Fatalf("got %v, want the plain error", err)
	}
	p.Close()
	if got, want := output.String(), "first 202\nsecond 400\nlast 410\n"; !strings.HasPrefix(got, want) { // -cover adds a line
		t.Errorf("the process saw %q, want %q", got, want)
	}
}

func TestCloseReachesAProcessThatWaits(t *testing.T) {
	t.Parallel()
	p := start(t, "echo", nil)
	p.Close()
	if p.exitCode != 1 {
		t.Errorf("exit code %d, want 1: it saw 410 and was not killed", p.exitCode)
	}
}

func TestCloseSendsSIGTERMWhenRegistered(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	p := start(t, "sigterm", &Options{Output: &output})
	invokeEcho(t, t.Context(), p.Invoke, `1`)
	p.Close()
	if !strings.Contains(output.String(), "got SIGTERM") {
		t.Errorf("output %q, want the SIGTERM handler's", output.String())
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
