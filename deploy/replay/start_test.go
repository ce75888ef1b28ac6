package main

import (
	"errors"
	"strings"
	"testing"

	"sluice/deploy/eventsource/runtimeapi"
	"sluice/deploy/functions"
)

// TestBinariesReportAllWrongSettings starts each binary without the required
// settings and with some that are wrong.
func TestBinariesReportAllWrongSettings(t *testing.T) {
	for worker, wrong := range map[string][]string{
		"uploads":  {"THUMBNAIL_BUCKET", "JOBS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "THUMBNAIL_SIZES"},
		"changes":  {"JOBS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL", "PARALLEL"},
		"api":      {"RECORDS_TABLE", "STATE_TABLE", "JWT_KEYS"},
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
			for _, name := range wrong {
				if !strings.Contains(init.Message, name) {
					t.Errorf("error: got %s, want %s in it", init.Message, name)
				}
				if !strings.Contains(out.String(), name) {
					t.Errorf("log: got %s, want %s in it", out.String(), name)
				}
			}
		})
	}
}

// TestBinariesStartWithoutOtherRequests checks that a binary sends no request, to
// AWS or to Lambda's extensions, before it asks the Runtime API for the first
// invocation. A start therefore depends on no other service.
func TestBinariesStartWithoutOtherRequests(t *testing.T) {
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
