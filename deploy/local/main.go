// Command local runs Sluice on one machine: objects, queues and tables over one
// folder, and the functions with their event source mappings. It needs nothing
// else.
//
//	go run ./deploy/local             serve, and print how to send work
//	go run ./deploy/local PATH...     upload pictures and follow them to the end
//	go run ./deploy/local VERB ...    -help lists the verbs
//
// State is kept in .sluice; -data chooses another folder. One process owns the
// folder. The other commands find it and talk to it over loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"sluice/deploy/internal/termtext"
	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/deploy/local/store"
	"sluice/pipeline"
	"sluice/workers/setup"
)

// errItemsFailed ends a command with status 1 after it has printed the reasons.
var errItemsFailed = errors.New("some items failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	// File names and messages may hold escape sequences.
	stdout, stderr := termtext.NewWriter(os.Stdout), termtext.NewWriter(os.Stderr)
	err := run(ctx, os.Args[1:], setup.Environ(), stdout, stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, errItemsFailed) {
		fmt.Fprintln(stderr, "sluice:", err)
	}
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		os.Exit(1)
	}
}

// command is one run of the program.
type command struct {
	options stack.Options
	public  bool
	out     string
	wait    time.Duration
	json    bool
	reason  string
	all     bool
	stdout  io.Writer
	stderr  io.Writer
}

const (
	defaultAddr    = "127.0.0.1:9324"
	defaultAPIAddr = "127.0.0.1:9325"
)

func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) error {
	c := command{stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		printUsage(stderr)
		flags.PrintDefaults()
	}
	verbose := flags.Bool("v", false, "log what the functions do")
	flags.StringVar(&c.options.Dir, "data", ".sluice", "folder for all state")
	flags.StringVar(&c.options.Addr, "addr", "", "address to listen on (default "+defaultAddr+" to serve, a free port otherwise)")
	flags.StringVar(&c.options.APIAddr, "api", "", "address of the HTTP API (default "+defaultAPIAddr+" to serve, a free port beside another -addr)")
	flags.BoolVar(&c.public, "public", false, "allow an address that other machines can reach")
	flags.BoolVar(&c.options.Open, "open", false, "accept requests without a signature")
	flags.DurationVar(&c.options.DrainLimit, "drain", 20*time.Second, "how long to wait at the end for work in progress")
	flags.StringVar(&c.out, "out", "", "folder that receives a copy of the thumbnails (default DATA/thumbnails)")
	flags.DurationVar(&c.wait, "wait", 2*time.Minute, "how long to wait for progress before work counts as stuck")
	c.resultFlags(flags)
	overAWS := flags.Bool("aws", false, "replaced by go run ./deploy/container")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return flag.ErrHelp // flags has printed the error
	}
	if *overAWS {
		return errors.New("-aws is a command of its own: run go run ./deploy/container [FUNCTION...]")
	}
	environ = stack.WithMemory(environ)
	stack.TuneGC(environ)
	level := slog.LevelError + 1
	if flags.NArg() == 0 {
		level = slog.LevelWarn
	}
	if *verbose {
		level = slog.LevelInfo
	}
	c.options.Logger = slog.New(pipeline.LogHandler(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})))
	c.options.Environ = environ
	if err := c.checkAddr(); err != nil {
		return err
	}
	return c.dispatch(ctx, flags.Args())
}

func printUsage(w io.Writer) {
	lines := [][2]string{{"", "serve, and print how to send work"}, {"PATH...", "upload pictures, follow them to the end"}}
	for _, v := range verbs {
		lines = append(lines, [2]string{strings.TrimSpace(v.name + " " + v.args), v.what})
	}
	fmt.Fprintln(w, "usage: local [flags] [COMMAND]")
	for _, line := range lines {
		if len(line[0]) > 24 {
			line[0] += "\n" + strings.Repeat(" ", 26)
		}
		fmt.Fprintf(w, "  %-24s  %s\n", line[0], line[1])
	}
	fmt.Fprintln(w, "flags:")
}

func (c *command) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return c.serve(ctx)
	}
	v, rest, ok, err := c.parseVerb(args)
	switch {
	case err != nil:
		return err
	case !ok:
		return c.withStack(ctx, func(s *admin.Client) error { return c.put(ctx, s, args) })
	case v.run == nil:
		return c.outbox(optional(rest))
	}
	if _, running := admin.Find(c.options.Dir); v.running && !running {
		return fmt.Errorf("%s: no local stack serves %s: start one with go run ./deploy/local", v.name, c.options.Dir)
	}
	return c.withStack(ctx, func(s *admin.Client) error { return v.run(c, ctx, s, rest) })
}

// withStack calls act with a client of the stack that owns the folder: one that
// runs already, or one that runs as long as the command.
func (c *command) withStack(ctx context.Context, act func(*admin.Client) error) error {
	if c.options.Addr == "" {
		c.options.Addr = "127.0.0.1:0"
	}
	var s *stack.Stack
	for deadline := time.Now().Add(c.options.DrainLimit); ; {
		if r, running := admin.Find(c.options.Dir); running {
			fmt.Fprintf(c.stderr, "using the local stack at %s (process %d)\n", r.URL, r.PID)
			return act(admin.NewClient(r, nil))
		}
		var err error
		s, err = stack.Open(ctx, c.options)
		// The stack of another command is opening or closing.
		if _, taken := errors.AsType[*store.InUseError](err); taken && time.Now().Before(deadline) && pause(ctx, 100*time.Millisecond) == nil {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	defer context.AfterFunc(ctx, c.printStopping)()
	done := make(chan error, 1)
	go func() { done <- act(s.Client()) }()
	select {
	case err := <-done:
		return errors.Join(err, s.CloseAfterCommands(ctx))
	case err := <-s.Failed():
		return errors.Join(err, s.Close())
	}
}

func (c *command) printStopping() {
	fmt.Fprintf(c.stderr, "stopping: waiting up to %v for work in progress; a second signal stops at once\n", c.options.DrainLimit)
}

// pause waits between two polls.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
