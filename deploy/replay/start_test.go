package main

import (
	"errors"
	"strings"
	"testing"

	"sluice/deploy/eventsource/runtimeapi"
	"sluice/deploy/functions"
)

// TestBinariesTellAllThatIsMissing starts each binary without settings.
func TestBinariesTellAllThatIsMissing(t *testing.T) {
	for worker, missing := range map[string][]string{
		"uploads":  {"THUMBNAIL_BUCKET", "JOBS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "THUMBNAIL_SIZES"},
		"changes":  {"JOBS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL", "PARALLEL"},
		"messages": {"RECORDS_TABLE", "STATE_TABLE", "DEAD_LETTER_QUEUE_URL", "MAX_ATTEMPTS"},
	} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			var out output
			_, err := runtimeapi.Start(t.Context(), bootstrap(t, worker), []string{
				"AWS_REGION=us-east-1", "THUMBNAIL_SIZES=huge", "PARALLEL=0", "MAX_ATTEMPTS=0",
			}, &runtimeapi.Options{Output: &out})
			init, ok := errors.AsType[*runtimeapi.InitError](err)
			if !ok {
				t.Fatalf("got %v, want a *InitError", err)
			}
			if init.Type != "Runtime.ConfigInvalid" {
				t.Errorf("got type %q, want Runtime.ConfigInvalid", init.Type)
			}
			for _, name := range missing {
				if !strings.Contains(init.Message, name) {
					t.Errorf("the error does not name %s: %s", name, init.Message)
				}
				if !strings.Contains(out.String(), name) {
					t.Errorf("the log does not name %s: %s", name, out.String())
				}
			}
		})
	}
}

// TestBinariesStartAlone: between exec and the first next nobody else is asked
// for anything, neither AWS nor Lambda's extensions, so nothing there can be slow
// or away.
func TestBinariesStartAlone(t *testing.T) {
	for _, worker := range functions.Workers() {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			binary := bootstrap(t, worker)
			s := newServer(t, nil)
			cmd, ended := spawn(t, binary, append(startSettings, "AWS_ENDPOINT_URL="+s.URL, "AWS_LAMBDA_RUNTIME_API="+s.Listener.Addr().String()), nil)
			s.wantFirst(t, ended, "GET /2018-06-01/runtime/invocation/next")
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-ended
			s.wantNoMore(t)
		})
	}
}
