// Bench measures thumbnail beside sharp, libvips, libjpeg-turbo, Pillow and
// naive Go, and prints the table of the project's promises:
//
//	go run ./thumbnail/bench
//
// Every peer runs in processes of its own, interleaved with the others, so that
// a disturbance affects all of them. The figures are medians of CPU time (user
// and system) and the largest peak RSS. A peer that is not installed is named
// and left out: sharp needs node and npm, libvips and libjpeg-turbo need gcc and
// their headers (libvips-dev, libturbojpeg0-dev), Pillow needs python3. Missing
// inputs are generated and kept in -dir. Generated pictures with the statistics
// of photographs replace absent photographs.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	b := &bench{}
	check := flag.Bool("check", false, "exit 1 when a promise is missed")
	flag.StringVar(&b.dir, "dir", filepath.Join(cache, "sluice-bench"), "folder of peers and inputs")
	flag.StringVar(&b.photos, "photos", "../shared/photos", "folder of the photographs")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds of measurements for each peer")
	flag.StringVar(&b.only, "only", "", `measure only the rows whose name contains this: an input's name, "quality" or "batch"`)
	flag.Parse()
	missed, err := b.run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if *check && missed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d promises are missed\n", missed)
		os.Exit(1)
	}
}
