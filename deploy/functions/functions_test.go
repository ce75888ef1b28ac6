package functions_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/deploy/functions"
)

// TestRowsAreComplete: each row names a worker with a binary, one source and its
// limits, and no two functions share a name or a queue.
func TestRowsAreComplete(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	once := func(what string) {
		if seen[what] {
			t.Errorf("two functions have the %s", what)
		}
		seen[what] = true
	}
	for _, f := range functions.All {
		once("name " + f.Name)
		if f.Name == "" || f.Name != strings.ToLower(f.Name) {
			t.Errorf("name: got %q, want lower case", f.Name)
		}
		if _, err := os.Stat(filepath.Join("../../workers", f.Worker, "bootstrap", "main.go")); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		set := 0
		for _, is := range []bool{f.Source.Queue != "", f.Source.Stream != "", f.Source.HTTP} {
			if is {
				set++
			}
		}
		if set != 1 {
			t.Errorf("%s: got the source %+v, want one field", f.Name, f.Source)
		}
		if f.Source.Queue != "" {
			once("queue " + f.Source.Queue)
		}
		if f.Timeout <= 0 || f.MemoryMB < 128 || f.Config == nil || f.Build == nil {
			t.Errorf("%s: got %+v, want a timeout, 128 MB or more, a config and a constructor", f.Name, f)
		}
		if got, err := functions.Named(f.Name); err != nil || got.Name != f.Name {
			t.Errorf("Named(%q): got %q, %v", f.Name, got.Name, err)
		}
	}
	if _, err := functions.Named("coffee"); err == nil || !strings.Contains(err.Error(), strings.Join(functions.Names(), ", ")) {
		t.Errorf("Named of an unknown function: got %v, want the known names", err)
	}
}

// TestEveryWorkerHasAFunction: a folder of workers with a binary has a row.
func TestEveryWorkerHasAFunction(t *testing.T) {
	t.Parallel()
	mains, err := filepath.Glob("../../workers/*/bootstrap/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("got %v, %v", mains, err)
	}
	for _, main := range mains {
		if worker := filepath.Base(filepath.Dir(filepath.Dir(main))); !slices.Contains(functions.Workers(), worker) {
			t.Errorf("worker %s has no row in the table of functions", worker)
		}
	}
}

// TestEveryWorkerHasRecordedEvents: the replay of a worker's events needs some.
func TestEveryWorkerHasRecordedEvents(t *testing.T) {
	t.Parallel()
	for _, worker := range functions.Workers() {
		events, err := filepath.Glob(filepath.Join("../../testdata/events", worker, "*.json"))
		if err != nil || len(events) == 0 {
			t.Errorf("testdata/events/%s: got %v, %v, want recorded events", worker, events, err)
		}
	}
}
