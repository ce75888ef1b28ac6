package main

import (
	"os"
	"testing"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/runtimeapi"
	"sluice/deploy/functions"
	"sluice/deploy/replay/harness"
	"sluice/deploy/replay/harness/harnesstest"
)

// TestReplayBinaries replays every recorded event through the built binaries
// over the Runtime API, with the same outcomes as in process.
func TestReplayBinaries(t *testing.T) {
	for _, worker := range functions.Workers() {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			binary := bootstrap(t, worker)
			harnesstest.Run(t, "../../testdata", worker, func(t *testing.T, h *harness.Harness, _ string) eventsource.Function {
				return launch(t, binary, environ(h), &runtimeapi.Options{Timeout: time.Minute}).Invoke
			})
		})
	}
}

// environ returns the harness's settings as the environment of a process, with
// more settings that override them.
func environ(h *harness.Harness, more ...string) []string {
	var env []string
	for name, value := range h.Settings() {
		env = append(env, name+"="+value)
	}
	return append(env, more...)
}

// launch starts a binary that ends with the test. A race that the detector finds
// in it ends it and fails its invocations.
func launch(t *testing.T, binary string, env []string, o *runtimeapi.Options) *runtimeapi.Process {
	t.Helper()
	p, err := runtimeapi.Start(t.Context(), binary, append(env, "GORACE=halt_on_error=1"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// recordedEvent returns an event of testdata.
func recordedEvent(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../testdata/events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newHarness returns a harness with the objects that event names.
func newHarness(t *testing.T, event []byte) *harness.Harness {
	t.Helper()
	h, err := harness.New(t.Context(), "../../testdata", event)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}
