package changes

import (
	"maps"
	"strings"
	"testing"

	"sluice/workers/setup"
)

// settings returns the required settings plus more.
func settings(more map[string]string) map[string]string {
	m := map[string]string{"JOBS_QUEUE_URL": jobsURL, "NOTIFICATIONS_QUEUE_URL": notificationsURL}
	maps.Copy(m, more)
	return m
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := setup.Read[Config](settings(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.Parallel != 1 || c.Reserve.Seconds() != 2 || c.NotifyMaxAge != 0 || c.DeadLetterQueueURL != "" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), map[string]string{
		"NOTIFICATIONS_QUEUE_URL": "", "PARALLEL": "0", "RESERVE": "0s", "NOTIFY_MAX_AGE": "-1s", "NOTIFY_TO": "nobody",
		"NOTIFICATION_RULES": `[{"name":"a","on":"never","channel":"email","body":"b"},{"name":"b","on":"removed","body":"{{.Nothing}}"}]`,
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"JOBS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL", "PARALLEL: got 0", "RESERVE: got 0s", "NOTIFY_MAX_AGE: got -1s", "NOTIFY_TO: ", "nobody",
		"NOTIFICATION_RULES: ", `rule "a": on`, `rule "b": channel`, `rule "b": body`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in the error, got %v", want, err)
		}
	}
}

func TestNewBuildsTheWorker(t *testing.T) {
	t.Parallel()
	w, err := New(t.Context(), settings(map[string]string{"DEAD_LETTER_QUEUE_URL": deadLetterURL, "LETTER_BUCKET": "letters", "PARALLEL": "3"}))
	if err != nil {
		t.Fatal(err)
	}
	if run := w.runner.Options; run.Worker != "changes" || run.Parallel != 3 || run.DeadLetter == nil {
		t.Errorf("run: got %+v", run)
	}
	b, err := w.Invoke(t.Context(), []byte(`{"Records":[]}`))
	if err != nil || string(b) != `{"batchItemFailures":[]}` {
		t.Errorf("an empty batch: got %s, %v", b, err)
	}
}

func TestBuildRejectsInvalidConfig(t *testing.T) {
	t.Parallel()
	if _, err := Build(Config{}, Clients{}, nil); err == nil || !strings.Contains(err.Error(), "PARALLEL") {
		t.Errorf("got %v, want an error that names PARALLEL", err)
	}
}
