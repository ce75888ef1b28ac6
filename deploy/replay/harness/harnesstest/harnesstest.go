// Package harnesstest replays recorded events in tests. Each event runs on a new
// harness, and its outcome is compared with its .want.json. With -update the
// outcome is written there instead, to be reviewed before it is committed.
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

// Invoker returns the function that runs a worker on a harness.
type Invoker func(t *testing.T, h *harness.Harness, worker string) eventsource.Function

// timeout bounds one invocation. Only one that hangs reaches it.
const timeout = 2 * time.Minute

// Run replays the events of a worker. testdata is the path of the folder
// testdata.
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
		t.Fatalf("events of worker %s under %s: got none", worker, testdata)
	}
}

// Replay runs one event and returns its stable outcome as JSON.
func Replay(t *testing.T, testdata, worker, file string, invoker Invoker) []byte {
	t.Helper()
	event, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h, err := harness.New(t.Context(), testdata, event)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	invoke := invoker(t, h, worker)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	response, failure := invoke(ctx, event)
	o, err := h.Outcome(t.Context(), event, response, failure)
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
		t.Fatalf("%s: no such file; go test ./deploy/replay -update writes it", wantFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("outcome differs from %s: got\n%s\nwant\n%s", wantFile, got, want)
	}
}
