package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/runtimeapi"
	"sluice/workers/replay/rig"
	"sluice/workers/replay/rig/rigtest"
)

// TestReplayBinaries replays every recorded event through the built binaries
// over the Runtime API: what comes of it is what came of it in process.
func TestReplayBinaries(t *testing.T) {
	for _, worker := range rig.Workers {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			binary := bootstrap(t, worker)
			rigtest.Run(t, "../../testdata", worker, func(t *testing.T, r *rig.Rig, worker string) eventsource.Function {
				p, err := runtimeapi.Start(t.Context(), binary, environ(r), &runtimeapi.Options{
					FunctionName: worker, MemoryMB: 512, Timeout: time.Minute,
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { p.Close() })
				return p.Invoke
			})
		})
	}
}

func environ(r *rig.Rig) []string {
	var env []string
	for name, value := range r.Settings() {
		env = append(env, name+"="+value)
	}
	return env
}

// TestBinariesTellAllThatIsMissing starts each binary without settings.
func TestBinariesTellAllThatIsMissing(t *testing.T) {
	for worker, missing := range map[string][]string{
		"uploads":  {"THUMBNAIL_BUCKET", "JOBS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "THUMBNAIL_SIZES"},
		"changes":  {"JOBS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL", "PARALLEL"},
		"messages": {"RECORDS_TABLE", "STATE_TABLE", "DEAD_LETTER_QUEUE_URL", "MAX_ATTEMPTS"},
	} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			_, err := runtimeapi.Start(t.Context(), bootstrap(t, worker), []string{
				"AWS_REGION=us-east-1", "THUMBNAIL_SIZES=huge", "PARALLEL=0", "MAX_ATTEMPTS=0",
			}, nil)
			init, ok := errors.AsType[*runtimeapi.InitError](err)
			if !ok {
				t.Fatalf("got %v, want a *InitError", err)
			}
			for _, name := range missing {
				if !strings.Contains(init.Output, name) {
					t.Errorf("the log does not name %s: %s", name, init.Output)
				}
			}
		})
	}
}
