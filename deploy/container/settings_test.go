package main

import (
	"log/slog"
	"strings"
	"testing"

	"sluice/deploy/functions"
)

// TestSettingsAreCheckedTogether: one error names every variable with a problem,
// before the first request to AWS.
func TestSettingsAreCheckedTogether(t *testing.T) {
	t.Parallel()
	err := runContainer(t.Context(), options{
		Environ: map[string]string{"LEASE": "1s", "UPLOADS_PARALLEL": "0", "TIMEOUT": "1h", "CHANGES_CONCURRENCY": "1"},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"container: configuration: LEASE: got 1s",
		"uploads: configuration: UPLOADS_QUEUE_URL is required", "jobs: configuration: JOBS_QUEUE_URL is required",
		"notifications: configuration: NOTIFICATIONS_QUEUE_URL is required", "changes: configuration: RECORDS_TABLE is required; STATE_TABLE is required",
		"THUMBNAIL_BUCKET", "DEAD_LETTER_QUEUE_URL", "PARALLEL: ", "TIMEOUT: got 1h0m0s", "CONCURRENCY: got 1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	err = runContainer(t.Context(), options{Functions: []string{"jobs", "coffee"}, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), `"coffee"`) {
		t.Errorf("an unknown function: %v", err)
	}
}

// TestFunctionPrefixOverrides: JOBS_PARALLEL overrides PARALLEL for jobs.
func TestFunctionPrefixOverrides(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"PARALLEL": "4", "JOBS_PARALLEL": "20", "JOBS_QUEUE_URL": "http://queue/jobs", "NOTIFICATIONS_QUEUE_URL": "http://queue/notifications",
		"NOTIFICATION_RULES": "[]", "SOURCE_QUEUE_URL": "http://queue/wrong", "CHANGES_DEAD_LETTER_QUEUE_URL": "http://queue/changes-dead",
	}
	for _, f := range functions.All {
		got := environOf(f, all)
		want := map[string]string{
			"jobs PARALLEL": "20", "jobs SOURCE_QUEUE_URL": "http://queue/jobs",
			"notifications PARALLEL": "4", "notifications SOURCE_QUEUE_URL": "http://queue/notifications", "notifications JOBS_QUEUE_URL": "http://queue/jobs",
			"changes SOURCE_QUEUE_URL": "", "changes DEAD_LETTER_QUEUE_URL": "http://queue/changes-dead", "changes NOTIFICATION_RULES": "[]",
			"uploads PARALLEL": "4",
		}
		for name, value := range want {
			if function, variable, _ := strings.Cut(name, " "); function == f.Name && got[variable] != value {
				t.Errorf("%s: got %q, want %q", name, got[variable], value)
			}
		}
	}
	if all["PARALLEL"] != "4" {
		t.Error("the environment of the process was changed")
	}
}
