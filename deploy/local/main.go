// Command local is Sluice on one machine: objects, queues and tables over one
// folder, the workers, and what calls them, with nothing else installed.
//
//	go run ./deploy/local                       serve, and say how to feed it
//	go run ./deploy/local PATH...               put pictures in and follow them to the end
//	go run ./deploy/local send TYPE JSON        queue a message and follow it
//	go run ./deploy/local set-status KEY STATUS change a record and follow it
//	go run ./deploy/local -aws [FUNCTION...]    run the workers over AWS, without Lambda
//	go run ./deploy/local presign KEY           print a URL that takes an upload by PUT
//
// State is kept in .sluice (-data chooses another folder). One process owns the
// folder; the others find it and talk to it over loopback.
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
	"syscall"
	"time"

	"sluice/deploy/local/store"
	"sluice/pipeline"
	"sluice/workers/setup"
)

// errRejected ends a command with status 1 after it has said why.
var errRejected = errors.New("not everything went well")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], setup.Environ(), os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, errRejected) {
		fmt.Fprintln(os.Stderr, "sluice:", err)
	}
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		os.Exit(1)
	}
}

// command is one call of the program.
type command struct {
	options homeOptions
	public  bool
	out     string
	wait    time.Duration
	stdout  io.Writer
	stderr  io.Writer
}

const defaultAddr = "127.0.0.1:9324"

func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) error {
	c := command{stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	verbose := flags.Bool("v", false, "log what the workers do")
	flags.StringVar(&c.options.Dir, "data", ".sluice", "folder for all state")
	flags.StringVar(&c.options.Addr, "addr", "", "address to listen on (default "+defaultAddr+" to serve, a free port otherwise)")
	flags.BoolVar(&c.public, "public", false, "allow an address that other machines can reach")
	flags.BoolVar(&c.options.Open, "open", false, "take requests without a signature")
	flags.DurationVar(&c.options.DrainLimit, "drain", 20*time.Second, "how long to wait at the end for what is in hand")
	flags.StringVar(&c.out, "out", "", "folder that gets a copy of the thumbnails (default DATA/thumbnails)")
	flags.DurationVar(&c.wait, "wait", 2*time.Minute, "how long to wait for something to happen before it counts as stuck")
	overAWS := flags.Bool("aws", false, "run the workers over SQS, DynamoDB and S3, set by the environment; keeps nothing here")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return flag.ErrHelp // flags has told of it
	}
	if *overAWS {
		return runAWS(ctx, awsOptions{
			Environ: environ, Functions: flags.Args(), DrainLimit: c.options.DrainLimit, Logger: setup.Logger("local"),
		})
	}
	tuneGC(environ)
	level := slog.LevelError + 1
	if flags.NArg() == 0 {
		level = slog.LevelWarn
	}
	if *verbose {
		level = slog.LevelInfo
	}
	c.options.Logger = slog.New(pipeline.LogHandler(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})))
	c.options.Environ = workerSettings(environ)
	if err := c.checkAddr(); err != nil {
		return err
	}
	return c.dispatch(ctx, flags.Args())
}

const usage = `usage: local [flags]                        serve, and say how to feed it
       local [flags] PATH...                put pictures in, follow them to the end
       local [flags] send TYPE JSON         queue a message, follow it
       local [flags] set-status KEY STATUS  change a record's status, follow it
       local -aws [flags] [FUNCTION...]     run uploads, jobs, notifications and changes, or some of them, over AWS
       local [flags] presign KEY            print a URL that takes an upload by PUT for 15 minutes
flags:
`

func (c *command) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return c.serve(ctx)
	}
	verb, ok := map[string]struct {
		args int
		act  func(h *remote) error
	}{
		"send":       {2, func(h *remote) error { return c.send(ctx, h, args[1], args[2]) }},
		"set-status": {2, func(h *remote) error { return c.setStatus(ctx, h, args[1], args[2]) }},
		"presign":    {1, func(h *remote) error { return c.presign(ctx, h, args[1]) }},
	}[args[0]]
	if !ok {
		return c.withHome(ctx, func(h *remote) error { return c.put(ctx, h, args) })
	}
	if len(args) != 1+verb.args {
		fmt.Fprint(c.stderr, usage)
		return flag.ErrHelp
	}
	if args[0] == "presign" && !c.homeRuns() {
		return fmt.Errorf("presign: no home serves %s: its URL would be of no use", c.options.Dir)
	}
	return c.withHome(ctx, verb.act)
}

// homeRuns reports whether another process serves the folder.
func (c *command) homeRuns() bool {
	_, running, err := findHome(c.options.Dir)
	return running && err == nil
}

// withHome calls act with the home that owns the folder: one that runs already,
// or one that lives as long as the command.
func (c *command) withHome(ctx context.Context, act func(*remote) error) error {
	if c.options.Addr == "" {
		c.options.Addr = "127.0.0.1:0"
	}
	var h *home
	for deadline := time.Now().Add(c.options.DrainLimit); ; {
		a, running, err := findHome(c.options.Dir)
		if err != nil {
			return err
		}
		if running {
			fmt.Fprintf(c.stderr, "using the home at %s (process %d)\n", a.URL, a.PID)
			return act(newRemote(a, nil))
		}
		h, err = openHome(ctx, c.options)
		// Another command's home is opening or closing: it is found, or gone, in a moment.
		if _, taken := errors.AsType[*store.InUseError](err); taken && time.Now().Before(deadline) && pause(ctx, 100*time.Millisecond) == nil {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	defer context.AfterFunc(ctx, c.sayStopping)()
	failed := make(chan error, 1)
	go func() { failed <- act(newRemote(h.address, h.transport)) }()
	select {
	case err := <-failed:
		return errors.Join(err, h.closeAfterGuests(ctx))
	case err := <-h.broken:
		return errors.Join(err, h.Close())
	}
}

func (c *command) sayStopping() {
	fmt.Fprintf(c.stderr, "stopping: waiting up to %v for what is in hand; a second signal ends it at once\n", c.options.DrainLimit)
}

// workerSettings leaves out of the environment what would lead the home's
// workers out of it.
func workerSettings(environ map[string]string) map[string]string {
	out := make(map[string]string)
	for name, value := range environ {
		switch name {
		case "THUMBNAIL_BUCKET", "JOBS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL", "RECORDS_TABLE", "STATE_TABLE",
			"LETTER_BUCKET", "SOURCE_QUEUE_URL", "DEAD_LETTER_QUEUE_URL":
		default:
			out[name] = value
		}
	}
	return out
}
