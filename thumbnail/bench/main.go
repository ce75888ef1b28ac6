// Bench measures thumbnail beside sharp, libvips, libjpeg-turbo, Pillow and
// naive Go, and prints the table of the project's promises:
//
//	go run ./thumbnail/bench
//
// Every peer runs in processes of its own, in turn with the others, so that a
// disturbance affects all of them. The figures are medians of CPU time (user
// and system) and the largest peak RSS. A peer that is not installed is named
// and left out: sharp needs node and npm, libvips and libjpeg-turbo gcc and
// their headers (libvips-dev, libturbojpeg0-dev), Pillow python3. Inputs that
// are missing are made and kept in -dir. Pictures with the statistics of
// photographs stand in for photographs that are absent.
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
	flag.StringVar(&b.dir, "dir", filepath.Join(cache, "sluice-bench"), "where peers and inputs are kept")
	flag.StringVar(&b.photos, "photos", "../shared/photos", "the photographs")
	flag.IntVar(&b.rounds, "rounds", 5, "how often each peer has its turn")
	flag.StringVar(&b.only, "only", "", `measure only what has this in its name: an input's, "quality" or "batch"`)
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
