// Package rigtest replays recorded events in tests: each is run on a fresh rig
// and held to what its .want.json says. With -update what came is written there
// instead, to be read before it is committed.
package harnesstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/replay/harness"
)

var update = flag.Bool("update", false, "rewrite the .want.json files of recorded events")

// Invoker makes the function that runs a worker on a rig.
type Invoker func(t *testing.T, r *harness.Harness, worker string) eventsource.Function

// timeout of one invocation; only the lost ever reach it.
const timeout = 2 * time.Minute

// Run replays the events of a worker. testdata is the folder testdata, as seen
// from the test.
func Run(t *testing.T, testdata, worker string, invoker Invoker) {
	events, err := filepath.Glob(filepath.Join(testdata, "events", worker, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range events {
		name, isEvent := strings.CutSuffix(filepath.Base(file), ".json")
		if !isEvent || strings.HasSuffix(name, ".want") {
			continue
		}
		found++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, file, Replay(t, testdata, worker, file, invoker))
		})
	}
	if found == 0 {
		t.Fatalf("no events of worker %s under %s", worker, testdata)
	}
}

// Replay runs one event and returns what is the same each time.
func Replay(t *testing.T, testdata, worker, file string, invoker Invoker) []byte {
	t.Helper()
	event, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := harness.New(t.Context(), testdata, event)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	invoke := invoker(t, r, worker)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	answer, failure := invoke(ctx, event)
	o, err := r.Outcome(t.Context(), event, answer, failure)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(o.Stable(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	wantFile := strings.TrimSuffix(file, ".json") + ".want.json"
	if *update {
		if err := os.WriteFile(wantFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(wantFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is missing: go test ./workers/... -update writes it", wantFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("another outcome than in %s: got\n%s\nwant\n%s", wantFile, got, want)
	}
}
