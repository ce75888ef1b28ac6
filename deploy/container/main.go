// Command container runs the functions over SQS, DynamoDB and its streams, and
// S3, without Lambda. Settings come from the environment; README.md lists them.
//
//	go run ./deploy/container [flags] [FUNCTION...]
//	go run ./deploy/container status | records [KEY] | dead-letters ...
//
//	go run ./deploy/container migrate-addresses
//
// Without a FUNCTION it runs all of them. Several copies may run: queues share
// their messages, and copies share the stream's shards by leases.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"sluice/deploy/functions"
	"sluice/deploy/internal/termtext"
	"sluice/workers/setup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	// Messages may hold escape sequences.
	stdout, stderr := termtext.NewWriter(os.Stdout), termtext.NewWriter(os.Stderr)
	err := run(ctx, os.Args[1:], setup.Environ(), stdout, stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(stderr, "container:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("container", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: container [flags] [FUNCTION...]          run functions, or all of them: %s\n%s       container [flags] %s       move records to the keys of today\n",
			strings.Join(functions.Names(), ", "), listingUsage, migrateVerb)
		flags.PrintDefaults()
	}
	drain := flags.Duration("drain", 20*time.Second, "how long to wait at the end for work in progress")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return flag.ErrHelp // flags has printed the error
	}
	switch verb := flags.Arg(0); {
	case flags.NArg() == 1 && verb == migrateVerb:
		return migrateAddresses(ctx, environ, stderr)
	case listings[verb] != nil:
		return runListing(ctx, flags.Args(), environ, stdout, stderr)
	}
	environ = setup.WithMemory(environ, 0)
	setup.LimitMemory(environ)
	return runContainer(ctx, options{Environ: environ, Functions: flags.Args(), DrainLimit: *drain, Logger: setup.Logger("container")})
}
