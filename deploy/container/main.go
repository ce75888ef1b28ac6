// Command container runs the functions over SQS, DynamoDB and its streams, and
// S3, without Lambda. Settings come from the environment; README.md lists them.
//
//	go run ./deploy/container [flags] [FUNCTION...]
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
	"sluice/workers/setup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], setup.Environ(), os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "container:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, environ map[string]string, stderr io.Writer) error {
	flags := flag.NewFlagSet("container", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: container [flags] [FUNCTION...]   functions: %s\n       container "+migrateVerb+"\n", strings.Join(functions.Names(), ", "))
		flags.PrintDefaults()
	}
	drain := flags.Duration("drain", 20*time.Second, "how long to wait at the end for work in progress")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return flag.ErrHelp // flags has printed the error
	}
	if flags.NArg() == 1 && flags.Arg(0) == migrateVerb {
		return migrateAddresses(ctx, environ, stderr)
	}
	return runContainer(ctx, options{Environ: environ, Functions: flags.Args(), DrainLimit: *drain, Logger: setup.Logger("container")})
}
