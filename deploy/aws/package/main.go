// Command package builds the workers for AWS Lambda: for each worker a zip with
// a static arm64 binary named bootstrap. Builds are reproducible, so deploying
// unchanged sources changes nothing.
//
//	go run ./deploy/aws/package                   dist/uploads.zip, ... and dist/template.yaml that names them
//	go run ./deploy/aws/package -bare DIR WORKER  only the binary, as DIR/bootstrap
//
// sam build calls the second form with the logical id of a function, such as
// JobsFunction, instead of a worker.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"sluice/deploy/functions"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	dist := flags.String("o", "dist", "folder to write to")
	bare := flags.String("bare", "", "folder to write the binary of one worker to, without a zip")
	if err := flags.Parse(args); err != nil {
		return err
	}
	workers := functions.MappedWorkers()
	names := flags.Args()
	if len(names) == 0 {
		names = workers
	}
	for i, name := range names {
		if worker, ok := workerOf(name); ok {
			names[i] = worker
		} else if !slices.Contains(workers, name) {
			return fmt.Errorf("worker: got %q, want one of %s", name, strings.Join(workers, ", "))
		}
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if *bare != "" {
		if len(names) != 1 {
			return fmt.Errorf("-bare: got %d workers, want one", len(names))
		}
		return build(ctx, root, names[0], filepath.Join(*bare, "bootstrap"))
	}
	if err := os.MkdirAll(*dist, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		size, err := packWorker(ctx, root, name, *dist)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s  %.1f MB\n", filepath.Join(*dist, name+".zip"), float64(size)/1e6)
	}
	file := filepath.Join(*dist, "template.yaml")
	if err := writeTemplate(root, file); err != nil {
		return err
	}
	fmt.Fprintln(out, file)
	return nil
}

// workerOf is the worker of a function with a logical id.
func workerOf(logicalID string) (string, bool) {
	for _, f := range functions.Mapped() {
		if f.LogicalName()+"Function" == logicalID {
			return f.Worker, true
		}
	}
	return "", false
}

// packWorker builds a worker, writes its zip, and returns the size of the zip.
func packWorker(ctx context.Context, root, name, dist string) (size int64, err error) {
	dir, err := os.MkdirTemp("", "sluice-package-")
	if err != nil {
		return 0, err
	}
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
	}()
	binary := filepath.Join(dir, "bootstrap")
	if err := build(ctx, root, name, binary); err != nil {
		return 0, err
	}
	return writeZip(filepath.Join(dist, name+".zip"), binary)
}
