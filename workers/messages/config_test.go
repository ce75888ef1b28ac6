package messages

import (
	"encoding/base64"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/notify"
	"sluice/workers/setup"
)

var aSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("12345678901234567890123456789012"))

// required are settings with which a worker starts.
func settings(more map[string]string) map[string]string {
	m := map[string]string{"RECORDS_TABLE": "records", "STATE_TABLE": "state", "DEAD_LETTER_QUEUE_URL": "http://queue/dead"}
	maps.Copy(m, more)
	return m
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := setup.Read[Config](settings(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.MaxAttempts != setup.MaxAttempts || c.Parallel != 10 || c.Reserve.Seconds() != 2 || c.NotifyMaxAge != 0 || c.SMTPSecurity != "starttls" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), map[string]string{
		"STATE_TABLE": "", "MAX_ATTEMPTS": "0", "PARALLEL": "1001", "RESERVE": "-1s", "NOTIFY_MAX_AGE": "-1h",
		"ORDER_ENDPOINT": "ftp://orders", "SMTP_ADDR": "mail", "SMTP_FROM": "nobody", "SMTP_USER": "u", "SMTP_SECURITY": "maybe",
		"WEBHOOK_URL": "http://hooks.example.com", "WEBHOOK_SECRET": "short", "CHAT_URL": "gopher://chat",
		"SES_FROM": "nobody", "SNS_TOPIC_ARN": "arn",
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"RECORDS_TABLE", "STATE_TABLE", "DEAD_LETTER_QUEUE_URL", "MAX_ATTEMPTS: got 0", "PARALLEL: got 1001", "RESERVE: got -1s", "NOTIFY_MAX_AGE: got -1h0m0s",
		"ORDER_ENDPOINT", "SMTP_SECURITY", `got "mail", want host:port`, "SMTP_FROM", "SMTP_PASSWORD", "WEBHOOK_URL", "got http, want https", "WEBHOOK_SECRET", "CHAT_URL",
		"SES_FROM", "SNS_TOPIC_ARN",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell %q: %v", want, err)
		}
	}
}

// TestConfigNamesTheChannel has one wrong setting a row, so that nothing else
// can be what the error tells of.
func TestConfigNamesTheChannel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings map[string]string
		want     string
	}{
		{map[string]string{"WEBHOOK_URL": "http://hooks.example.com", "WEBHOOK_SECRET": aSecret}, "WEBHOOK_URL"},
		{map[string]string{"WEBHOOK_URL": "https://hooks.example.com"}, "WEBHOOK_SECRET"},
		{map[string]string{"CHAT_URL": "http://chat.example.com"}, "CHAT_URL"},
		{map[string]string{"SMTP_ADDR": "mail.example.com:25", "SMTP_FROM": "a@example.com", "SMTP_SECURITY": "none"}, "want a loopback address"},
		{map[string]string{"SMTP_ADDR": "mail.example.com:25"}, "SMTP_FROM"},
	} {
		if _, err := New(t.Context(), settings(c.settings)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want an error that tells %q", c.settings, err, c.want)
		}
	}
}

func TestInvalidConfigCreatesNoOutbox(t *testing.T) {
	t.Parallel()
	outbox := filepath.Join(t.TempDir(), "outbox")
	if _, err := New(t.Context(), settings(map[string]string{"OUTBOX_DIR": outbox, "PARALLEL": "0"})); err == nil {
		t.Error("got no error")
	}
	if _, err := os.Stat(outbox); err == nil {
		t.Error("the outbox was made")
	}
}

func TestConfigErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), settings(map[string]string{
		"SMTP_ADDR": "mail.example.com:587", "SMTP_FROM": "a@example.com", "SMTP_PASSWORD": "s3cr3t-smtp",
		"WEBHOOK_URL": "http://hooks.example.com/s3cr3t-path", "WEBHOOK_SECRET": "whsec_s3cr3t-key",
		"CHAT_URL": "http://chat.example.com/hooks/s3cr3t-chat", "ORDER_ENDPOINT": "orders.example.com?key=s3cr3t-order",
	}))
	if err == nil {
		t.Fatal("got no error")
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error holds a secret: %v", err)
	}
}

func TestConfigChannels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings map[string]string
		want     []string
		email    string // what the channel email is
	}{
		{"none", nil, nil, ""},
		{"mail server", map[string]string{"SMTP_ADDR": "mail.example.com:587", "SMTP_FROM": "a@example.com"}, []string{"email"}, "smtp mail.example.com:587"},
		{"outbox", map[string]string{"OUTBOX_DIR": "-"}, []string{"email"}, "outbox "},
		{"mail server wins", map[string]string{"OUTBOX_DIR": "-", "SMTP_ADDR": "mail.example.com:587", "SMTP_FROM": "a@example.com"}, []string{"email"}, "smtp "},
		{"plain to this machine", map[string]string{"SMTP_ADDR": "127.0.0.1:25", "SMTP_FROM": "a@example.com", "SMTP_SECURITY": "none"}, []string{"email"}, "smtp "},
		{"webhook", map[string]string{"WEBHOOK_URL": "https://hooks.example.com/x", "WEBHOOK_SECRET": aSecret}, []string{"webhook"}, ""},
		{"two secrets", map[string]string{"WEBHOOK_URL": "https://hooks.example.com/x", "WEBHOOK_SECRET": aSecret + " " + aSecret}, []string{"webhook"}, ""},
		{"all", map[string]string{
			"OUTBOX_DIR": "-", "WEBHOOK_URL": "https://hooks.example.com/x", "WEBHOOK_SECRET": aSecret, "CHAT_URL": "https://chat.example.com/x",
		}, []string{"chat", "email", "webhook"}, "outbox "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.settings["OUTBOX_DIR"] != "" {
				c.settings["OUTBOX_DIR"] = t.TempDir()
			}
			config, err := setup.Read[Config](settings(c.settings))
			if err != nil {
				t.Fatal(err)
			}
			built, err := config.channels(Clients{})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(built)); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if s, _ := built["email"].(interface{ String() string }); c.email != "" && (s == nil || !strings.HasPrefix(s.String(), c.email)) {
				t.Errorf("email: got %v, want %s", s, c.email)
			}
		})
	}
}

func TestConfigRejectsUnusableOutbox(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), settings(map[string]string{"OUTBOX_DIR": file})); err == nil || !strings.Contains(err.Error(), "OUTBOX_DIR") {
		t.Errorf("got %v, want an error that names OUTBOX_DIR", err)
	}
}

func TestNewBuildsTheWorker(t *testing.T) {
	t.Parallel()
	w, err := New(t.Context(), settings(map[string]string{
		"ORDER_ENDPOINT": "https://orders.example.com", "LETTER_BUCKET": "letters", "OUTBOX_DIR": t.TempDir(), "MAX_ATTEMPTS": "3",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if run := w.runner.Options; run.MaxAttempts != 3 || run.Worker != "messages" || run.DeadLetter == nil || run.Delay != nil {
		t.Errorf("run: got %+v", run)
	}
	if all, ok := w.channels.(notify.Channels); !ok || len(all) != 1 {
		t.Errorf("channels: got %v", w.channels)
	}
	b, err := w.Invoke(t.Context(), []byte(`{"Records":[]}`))
	if err != nil || string(b) != `{"batchItemFailures":[]}` {
		t.Errorf("an empty batch: got %s, %v", b, err)
	}
}

func TestBuildRejectsInvalidConfig(t *testing.T) {
	t.Parallel()
	if _, err := Build(Config{}, Clients{}, nil); err == nil || !strings.Contains(err.Error(), "MAX_ATTEMPTS") {
		t.Errorf("got %v, want an error that names MAX_ATTEMPTS", err)
	}
}
