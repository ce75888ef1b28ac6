package main

import (
	"log/slog"
	"strings"
	"testing"
)

// TestAWSRefusesTogether: what is wrong with the settings is told in one go, by
// the variables' names, before AWS is asked.
func TestAWSRefusesTogether(t *testing.T) {
	t.Parallel()
	err := runAWS(t.Context(), awsOptions{
		Environ: map[string]string{"LEASE": "1s", "UPLOADS_PARALLEL": "0", "TIMEOUT": "1h", "CHANGES_CONCURRENCY": "1"},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"-aws: configuration: LEASE: 1s",
		"uploads: configuration: UPLOADS_QUEUE_URL is required", "jobs: configuration: JOBS_QUEUE_URL is required",
		"notifications: configuration: NOTIFICATIONS_QUEUE_URL is required", "changes: configuration: RECORDS_TABLE is required; STATE_TABLE is required",
		"THUMBNAIL_BUCKET", "DEAD_LETTER_QUEUE_URL", "PARALLEL: 0", "TIMEOUT: 1h0m0s", "CONCURRENCY: 1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not told: %s\n%v", want, err)
		}
	}
	err = runAWS(t.Context(), awsOptions{Functions: []string{"jobs", "api"}, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), `"api"`) {
		t.Errorf("an unknown function: %v", err)
	}
}

func TestEnvironOfAFunction(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"PARALLEL": "4", "JOBS_PARALLEL": "20", "JOBS_QUEUE_URL": "http://queue/jobs", "NOTIFICATIONS_QUEUE_URL": "http://queue/notifications",
		"NOTIFICATION_RULES": "[]", "SOURCE_QUEUE_URL": "http://queue/wrong", "CHANGES_DEAD_LETTER_QUEUE_URL": "http://queue/changes-dead",
	}
	for _, f := range awsFunctions {
		got := f.environ(all)
		want := map[string]string{
			"jobs PARALLEL": "20", "jobs SOURCE_QUEUE_URL": "http://queue/jobs",
			"notifications PARALLEL": "4", "notifications SOURCE_QUEUE_URL": "http://queue/notifications", "notifications JOBS_QUEUE_URL": "http://queue/jobs",
			"changes SOURCE_QUEUE_URL": "", "changes DEAD_LETTER_QUEUE_URL": "http://queue/changes-dead", "changes NOTIFICATION_RULES": "[]",
			"uploads PARALLEL": "4",
		}
		for name, value := range want {
			if function, variable, _ := strings.Cut(name, " "); function == f.name && got[variable] != value {
				t.Errorf("%s: got %q, want %q", name, got[variable], value)
			}
		}
	}
	if all["PARALLEL"] != "4" {
		t.Error("the process's own environment was changed")
	}
}
