// Package runtimeapi drives a Lambda binary (a bootstrap) on this machine: it is the other side of Lambda's Runtime API.
//
// A [Process] is one execution environment: one binary that asks for its next invocation and answers it. A [Pool] has as
// many as run at the same time and replaces those that end, as Lambda does; its Invoke has the shape of a Lambda handler's,
// so that replay tests and event source mappings call a built binary like a function.
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
)

// Lambda's limits and times.
const (
	// MaxRequestBytes is the largest event of a function.
	MaxRequestBytes = 6 << 20
	// MaxResponseBytes is the largest answer of a function.
	MaxResponseBytes = 6<<20 + 100
	// ShutdownGrace is how long a process has between SIGTERM, or the end of its invocations, and SIGKILL.
	ShutdownGrace = 500 * time.Millisecond

	defaultTimeout     = 3 * time.Second
	defaultInitTimeout = 10 * time.Second
	defaultMemoryMB    = 128
	outputTail         = 64 << 10
)

// Options are what Lambda's configuration of a function says. The zero value works, nil means the zero value.
type Options struct {
	FunctionName string        // "" means the name of the binary's folder
	FunctionARN  string        // "" derives one from the name
	MemoryMB     int           // told to the function, not enforced; 0 means 128
	Timeout      time.Duration // the deadline of an invocation whose context has none; 0 means 3 s
	InitTimeout  time.Duration // until the first "next"; 0 means 10 s
	Concurrency  int           // invocations at the same time in one process (managed instances); 0 means 1
	Output       io.Writer     // gets what the process writes; nil discards. Written by one goroutine at a time.
}

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

// Process is one running bootstrap. It is safe for concurrent use; invocations beyond its Concurrency wait for their turn.
type Process struct {
	options Options
	cmd     *exec.Cmd
	server  *http.Server
	output  *tail

	offered  chan *invocation
	ready    chan struct{} // closed at the first "next"
	closing  chan struct{} // "next" answers 410
	exited   chan struct{} // closed when the process ended
	readied  sync.Once
	closed   sync.Once
	exitCode int // valid when exited is closed

	mu         sync.Mutex
	inWork     map[string]*invocation
	initError  *InitError
	initFailed chan struct{} // closed when initError is set
	registered bool          // as an extension: it wants SIGTERM
}

// invocation is one event on its way.
type invocation struct {
	id, arn, trace string
	deadline       time.Time
	payload        []byte
	done           chan outcome // holds one
}

type outcome struct {
	answer []byte
	err    error
}

// Start starts the bootstrap at path and waits until it asks for its first invocation. env holds "KEY=value" entries; besides
// them the process sees what Lambda sets, and nothing of this process's environment.
// When the process ends or reports an error before that, or takes longer than InitTimeout, the error is an [*InitError].
// ctx bounds the start alone: the process runs until Close, a timeout or its own end.
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
		offered:    make(chan *invocation),
		ready:      make(chan struct{}),
		closing:    make(chan struct{}),
		exited:     make(chan struct{}),
		initFailed: make(chan struct{}),
		inWork:     make(map[string]*invocation),
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

// environment returns what Lambda sets, overridden by env, with the address of the Runtime API last.
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
	_ = p.cmd.Wait() // the exit code says it
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
		// The report of an error and the exit that follows it arrive together.
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

// Invoke hands the process one event and returns its answer. The deadline is ctx's, or the Timeout of the options. The request
// id and ARN of a lambdacontext in ctx, and a trace header under aws-lambda-go's context key, travel along.
//
// Errors: [*FunctionError] from the function, which leaves the process running unless it was a panic; [*TimeoutError] when the
// deadline passed, after which the process is killed; ctx's error when it was cancelled, likewise; [*ExitError] when the
// process ended; [*RequestTooLargeError] for a payload over MaxRequestBytes, which the function does not see.
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
		return out.answer, out.err
	case <-p.exited:
		select {
		case out := <-inv.done: // it answered, or reported a panic, and ended
			return out.answer, out.err
		default:
		}
		return nil, &ExitError{RequestID: inv.id, Code: p.exitCode, Output: p.output.String()}
	case <-ctx.Done():
		return nil, p.end(ctx, started)
	}
}

func withDeadline(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// end kills a process whose invocation was cut short, as Lambda does.
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
		id: newRequestID(), arn: p.options.FunctionARN, trace: newTrace(),
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

// Exited is closed when the process ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Close ends the process: it gets SIGTERM if it registered for that, else its next ask is answered 410; and SIGKILL after
// ShutdownGrace. It returns when the process is gone. Closing again does nothing.
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
		grace := time.NewTimer(ShutdownGrace)
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

func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newTrace returns an X-Ray trace header.
func newTrace() string {
	var b [20]byte
	rand.Read(b[:])
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", time.Now().Unix(), b[:12], b[12:])
}
