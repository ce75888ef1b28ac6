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
// over the Runtime API: what comes of it is what came of it in process.
func TestReplayBinaries(t *testing.T) {
	for _, worker := range functions.Workers() {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			binary := bootstrap(t, worker)
			harnesstest.Run(t, "../../testdata", worker, func(t *testing.T, r *harness.Harness, _ string) eventsource.Function {
				return launch(t, binary, environ(r), &runtimeapi.Options{Timeout: time.Minute}).Invoke
			})
		})
	}
}

// environ is the rig's settings as a process takes them. What more is given
// comes last, and so wins.
func environ(r *harness.Harness, more ...string) []string {
	var env []string
	for name, value := range r.Settings() {
		env = append(env, name+"="+value)
	}
	return append(env, more...)
}

// launch starts a binary that the test's end takes down. A race in it, where the
// race detector looks, ends it, and so fails its invocations.
func launch(t *testing.T, binary string, env []string, o *runtimeapi.Options) *runtimeapi.Process {
	t.Helper()
	p, err := runtimeapi.Start(t.Context(), binary, append(env, "GORACE=halt_on_error=1"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// recordedEvent is one of testdata's events.
func recordedEvent(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../testdata/events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newRig makes a rig with the objects that event speaks of.
func newRig(t *testing.T, event []byte) *harness.Harness {
	t.Helper()
	r, err := harness.New(t.Context(), "../../testdata", event)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}
