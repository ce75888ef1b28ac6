// Package runtimeapi runs a Lambda binary (a bootstrap) on this machine and
// serves Lambda's Runtime API to it.
//
// A [Process] is one execution environment: one process that asks for its next
// invocation and posts the response. Its Invoke method has the signature of a
// Lambda handler's, so that tests and event source mappings invoke a built
// binary like a function.
package runtimeapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sluice/deploy/internal/requestid"
)

// Limits and durations of Lambda.
const (
	// MaxRequestBytes is the size of the largest event.
	MaxRequestBytes = 6 << 20
	// MaxResponseBytes is the size of the largest response.
	MaxResponseBytes = 6<<20 + 100
	// ShutdownGrace is the time between SIGTERM, or the end of the invocations,
	// and SIGKILL.
	ShutdownGrace = 500 * time.Millisecond

	defaultTimeout     = 3 * time.Second
	defaultInitTimeout = 10 * time.Second
	maxTimeout         = 15 * time.Minute // Lambda's, whatever the deadline of a context
	defaultMemoryMB    = 128
	outputTail         = 64 << 10
)

// Options are the configuration of a function. Nil means the zero value.
type Options struct {
	FunctionName string        // "" means the name of the binary's folder
	FunctionARN  string        // "" means one with the name
	MemoryMB     int           // passed to the function, not enforced; 0 means 128
	Timeout      time.Duration // of an invocation whose context has no deadline; 0 means 3 s
	InitTimeout  time.Duration // until the process asks for its first invocation; 0 means 10 s
	Concurrency  int           // invocations at the same time in one process (managed instances); 0 means 1
	Output       io.Writer     // receives the output of the process, from one goroutine at a time; nil discards it
}

// withDefaults returns a copy with defaults filled in.
func (o *Options) withDefaults(path string) Options {
	var d Options
	if o != nil {
		d = *o
	}
	d.FunctionName = cmp.Or(d.FunctionName, filepath.Base(filepath.Dir(path)))
	d.FunctionARN = cmp.Or(d.FunctionARN, "arn:aws:lambda:us-east-1:000000000000:function:"+d.FunctionName)
	d.MemoryMB = cmp.Or(d.MemoryMB, defaultMemoryMB)
	d.Timeout = cmp.Or(d.Timeout, defaultTimeout)
	d.InitTimeout = cmp.Or(d.InitTimeout, defaultInitTimeout)
	d.Concurrency = cmp.Or(d.Concurrency, 1)
	if d.Output == nil {
		d.Output = io.Discard
	}
	return d
}

// Process is one running bootstrap. It is safe for concurrent use. Invocations
// beyond its Concurrency wait.
type Process struct {
	options Options
	cmd     *exec.Cmd
	server  *http.Server
	output  *tail
	grace   time.Duration // ShutdownGrace, or longer in tests

	offered  chan *invocation
	ready    chan struct{} // closed when the process asks for its first invocation
	closing  chan struct{} // closed when there are no more invocations
	exited   chan struct{} // closed when the process has ended
	readied  sync.Once
	closed   sync.Once
	exitCode int // valid when exited is closed

	mu         sync.Mutex
	running    map[string]*invocation // by request id
	initError  *InitError
	initFailed chan struct{} // closed when initError is set
	registered bool          // as an extension that receives SIGTERM
}

// invocation is one event and its result.
type invocation struct {
	id, arn, trace string
	deadline       time.Time
	payload        []byte
	done           chan outcome // has room for one
}

type outcome struct {
	response []byte
	err      error
}

// Start starts the bootstrap at path and waits until it asks for its first
// invocation. Its environment has the variables that Lambda sets and the
// "KEY=value" entries of env, and nothing of the environment of this process.
//
// The error is an [*InitError] if the process ends or reports an error first,
// or takes longer than InitTimeout. ctx bounds the start only: the process runs
// until Close, a timeout or its own end.
func Start(ctx context.Context, path string, env []string, o *Options) (*Process, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", path, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", path, err)
	}
	p := &Process{
		options:    o.withDefaults(path),
		grace:      ShutdownGrace,
		offered:    make(chan *invocation),
		ready:      make(chan struct{}),
		closing:    make(chan struct{}),
		exited:     make(chan struct{}),
		initFailed: make(chan struct{}),
		running:    make(map[string]*invocation),
	}
	p.output = &tail{to: p.options.Output}
	p.server = &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second}
	p.cmd = exec.Command(path)
	p.cmd.Dir = filepath.Dir(path)
	p.cmd.Env = p.environment(env, listener.Addr().String())
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("start %q: %w", path, err)
	}
	go p.server.Serve(listener)
	go p.wait()
	if err := p.awaitReady(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// environment returns the variables that Lambda sets, overridden by env. The
// address of the Runtime API cannot be overridden.
func (p *Process) environment(env []string, address string) []string {
	vars := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME":        p.options.FunctionName,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(p.options.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + p.options.FunctionName,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"AWS_REGION":                      regionOf(p.options.FunctionARN),
		"AWS_DEFAULT_REGION":              regionOf(p.options.FunctionARN),
		"LAMBDA_TASK_ROOT":                p.cmd.Dir,
		"_HANDLER":                        "bootstrap",
		"TZ":                              ":UTC",
	}
	if p.options.Concurrency > 1 {
		vars["AWS_LAMBDA_MAX_CONCURRENCY"] = strconv.Itoa(p.options.Concurrency)
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		vars[name] = value
	}
	vars["AWS_LAMBDA_RUNTIME_API"] = address
	var list []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, name+"="+vars[name])
	}
	return list
}

func regionOf(functionARN string) string {
	if parts := strings.Split(functionARN, ":"); len(parts) > 3 {
		return parts[3]
	}
	return "us-east-1"
}

func (p *Process) wait() {
	_ = p.cmd.Wait() // the exit code has the result
	p.exitCode = p.cmd.ProcessState.ExitCode()
	close(p.exited)
}

func (p *Process) awaitReady(ctx context.Context) error {
	limit := time.NewTimer(p.options.InitTimeout)
	defer limit.Stop()
	select {
	case <-p.ready:
		return nil
	case <-p.initFailed:
		return p.initError
	case <-p.exited:
		// The process may have reported an error and exited.
		select {
		case <-p.initFailed:
			return p.initError
		default:
		}
		return &InitError{
			Type: "Runtime.ExitError", Message: fmt.Sprintf("exit status %d before the first invocation", p.exitCode),
			ExitCode: p.exitCode, Output: p.output.String(),
		}
	case <-limit.C:
		return &InitError{
			Type: "Sandbox.Timedout", Message: fmt.Sprintf("not ready after %v", p.options.InitTimeout),
			ExitCode: -1, Output: p.output.String(),
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Invoke passes one event to the process and returns the response. The deadline
// is that of ctx, at most 15 minutes ahead as in Lambda, or the Timeout of the
// options. The process also receives the
// request id and ARN of a lambdacontext in ctx, and a trace header under
// aws-lambda-go's context key.
//
// Errors: [*FunctionError] from the function, which ends the process only after
// a panic; [*TimeoutError] if the deadline passed, and the error of ctx if it
// was canceled, both of which kill the process; [*ExitError] if the process
// ended; [*RequestTooLargeError] for a payload over MaxRequestBytes, which the
// function does not receive.
func (p *Process) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > MaxRequestBytes {
		return nil, &RequestTooLargeError{Bytes: len(payload)}
	}
	started := time.Now()
	ctx, cancel := withDeadline(ctx, p.options.Timeout)
	defer cancel()
	inv := p.newInvocation(ctx, payload)

	select {
	case p.offered <- inv:
	case <-p.exited:
		return nil, &ExitError{RequestID: inv.id, Code: p.exitCode, Output: p.output.String(), Idle: true}
	case <-ctx.Done():
		return nil, p.end(ctx, started)
	}
	select {
	case out := <-inv.done:
		return out.response, out.err
	case <-p.exited:
		select {
		case out := <-inv.done: // it posted a response or reported a panic, and ended
			return out.response, out.err
		default:
		}
		return nil, &ExitError{RequestID: inv.id, Code: p.exitCode, Output: p.output.String()}
	case <-ctx.Done():
		return nil, p.end(ctx, started)
	}
}

// withDeadline returns ctx with a deadline: its own, but no later than Lambda's
// longest timeout, or timeout from now.
func withDeadline(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		timeout = maxTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// end kills the process of an invocation whose context has ended, as Lambda
// does.
func (p *Process) end(ctx context.Context, started time.Time) error {
	_ = p.cmd.Process.Kill()
	<-p.exited
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &TimeoutError{After: time.Since(started)}
	}
	return ctx.Err()
}

func (p *Process) newInvocation(ctx context.Context, payload []byte) *invocation {
	deadline, _ := ctx.Deadline()
	inv := &invocation{
		id: requestid.New(), arn: p.options.FunctionARN, trace: newTrace(),
		deadline: deadline, payload: payload, done: make(chan outcome, 1),
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		inv.id = cmp.Or(lc.AwsRequestID, inv.id)
		inv.arn = cmp.Or(lc.InvokedFunctionArn, inv.arn)
	}
	if trace, ok := ctx.Value("x-amzn-trace-id").(string); ok && trace != "" {
		inv.trace = trace
	}
	return inv
}

// Exited returns a channel that is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Close ends the process and returns when it has ended. A process that
// registered for SIGTERM receives it; any other receives the status 410 instead
// of an invocation. After ShutdownGrace the process is killed. Further calls of
// Close do nothing.
func (p *Process) Close() {
	p.closed.Do(func() {
		p.mu.Lock()
		registered := p.registered
		p.mu.Unlock()
		if registered {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
		} else {
			close(p.closing)
		}
		grace := time.NewTimer(p.grace)
		defer grace.Stop()
		select {
		case <-p.exited:
		case <-grace.C:
			_ = p.cmd.Process.Kill()
		}
	})
	<-p.exited
	p.server.Close()
}

// newTrace returns an X-Ray trace header.
func newTrace() string {
	var b [20]byte
	rand.Read(b[:])
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", time.Now().Unix(), b[:12], b[12:])
}
