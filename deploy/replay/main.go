// Command replay runs recorded events through their workers, on throw-away
// backends, and prints the outcome of each record.
//
//	go run ./deploy/replay testdata/events/uploads/*.json
//
// It exits with status 1 if a record was not done or an event did not run, and
// with status 2 if its arguments are wrong. The objects that events name are
// taken from the folder of -testdata, by default the folder testdata above the
// event.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/deploy/functions"
	"sluice/deploy/replay/harness"
	"sluice/pipeline"
)

var errNotDone = errors.New("not every record was done")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		if !errors.Is(err, errNotDone) {
			fmt.Fprintln(os.Stderr, "replay:", err)
		}
		os.Exit(1)
	}
}

// timeout bounds the invocation of one event.
const timeout = time.Minute

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: replay [flags] FILE...")
		flags.PrintDefaults()
	}
	verbose := flags.Bool("v", false, "print the whole outcome of an event as JSON, and the worker's log")
	worker := flags.String("worker", "", "run this worker instead of the one found from the event: "+strings.Join(functions.Workers(), ", "))
	testdata := flags.String("testdata", "", "folder with images/ and events/uploads/objects/")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return flag.ErrHelp
	}
	switch {
	case flags.NArg() == 0:
		flags.Usage()
		return flag.ErrHelp
	case *worker != "" && !slices.Contains(functions.Workers(), *worker):
		fmt.Fprintf(stderr, "replay: no worker %q: want one of %s\n", *worker, strings.Join(functions.Workers(), ", "))
		return flag.ErrHelp
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(pipeline.LogHandler(slog.NewTextHandler(stderr, nil)))
	}
	var problems []error
	notDone := false
	for _, file := range flags.Args() {
		o, name, err := replay(ctx, file, *worker, *testdata, log)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", file, err))
			continue
		}
		notDone = notDone || o.Failed()
		print(stdout, file, name, o, *verbose)
	}
	if len(problems) == 0 && notDone {
		return errNotDone
	}
	return errors.Join(problems...)
}

// replay runs one event and returns its outcome and worker.
func replay(ctx context.Context, file, worker, testdata string, log *slog.Logger) (_ harness.Outcome, _ string, err error) {
	payload, err := os.ReadFile(file)
	if err != nil {
		return harness.Outcome{}, "", err
	}
	if worker == "" {
		if worker, err = harness.WorkerOf(file, payload); err != nil {
			return harness.Outcome{}, "", err
		}
	}
	if testdata == "" {
		testdata = findTestdata(file)
	}
	h, err := harness.New(ctx, testdata, payload)
	if err != nil {
		return harness.Outcome{}, "", err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	invoke, err := h.Worker(worker, log.With("worker", worker))
	if err != nil {
		return harness.Outcome{}, "", err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, failure := invoke(limited, payload)
	o, err := h.Outcome(ctx, payload, response, failure)
	return o, worker, err
}

// findTestdata returns the nearest folder above file that is named testdata, or
// that of the working directory.
func findTestdata(file string) string {
	abs, err := filepath.Abs(file)
	if err == nil {
		for dir := filepath.Dir(abs); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if filepath.Base(dir) == "testdata" {
				return dir
			}
		}
	}
	return "testdata"
}

func print(w io.Writer, file, worker string, o harness.Outcome, all bool) {
	fmt.Fprintf(w, "%s → %s\n", file, worker)
	for _, r := range o.Records {
		fmt.Fprintf(w, "  %-13s %s", r.Became, r.ID)
		if r.Reason != "" {
			fmt.Fprintf(w, ": %s", r.Reason)
		}
		fmt.Fprintln(w)
	}
	if o.Error != "" {
		fmt.Fprintf(w, "  the invocation failed: %s\n", o.Error)
	}
	if all {
		b, err := json.MarshalIndent(o, "  ", "  ")
		if err != nil {
			b = []byte(err.Error())
		}
		fmt.Fprintf(w, "  %s\n", b)
	}
}
