package notify

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// at is the time of every event in tests.
var at = time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)

func sampleNotification() Notification {
	return Notification{
		ID: "welcome_0123456789abcdef", Rule: "welcome", Channel: "mail", To: "ann@b.example",
		Subject: "Welcome", Body: "Hello Ann.\n", At: at, Key: "user#ann@b.example", Cause: "event-1",
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*Notification)
		want   string // empty: valid
	}{
		"as it should be":       {func(*Notification) {}, ""},
		"no recipient":          {func(n *Notification) { n.To = "" }, ""},
		"subject only":          {func(n *Notification) { n.Body = "" }, ""},
		"body of many lines":    {func(n *Notification) { n.Body = "a\r\n\tb\n.\n" }, ""},
		"largest body":          {func(n *Notification) { n.Body = strings.Repeat("x", MaxBodyBytes) }, ""},
		"body over the limit":   {func(n *Notification) { n.Body = strings.Repeat("x", MaxBodyBytes+1) }, "body: got 131073 bytes, want at most 131072"},
		"subject over":          {func(n *Notification) { n.Subject = strings.Repeat("x", MaxSubjectBytes+1) }, "subject: got 501 bytes"},
		"recipient over":        {func(n *Notification) { n.To = strings.Repeat("x", MaxRecipientBytes+1) }, "to: got 2049 bytes"},
		"key over":              {func(n *Notification) { n.Key = strings.Repeat("x", MaxKeyBytes+1) }, "key: got 4097 bytes"},
		"no id":                 {func(n *Notification) { n.ID = "" }, "id is missing"},
		"id over":               {func(n *Notification) { n.ID = strings.Repeat("x", MaxIDBytes+1) }, "id: got 513 bytes"},
		"line break in id":      {func(n *Notification) { n.ID = "a\nb" }, "id has a control character"},
		"line break in subject": {func(n *Notification) { n.Subject = "a\r\nBcc: x@y.example" }, "subject has a control character"},
		"line break in to":      {func(n *Notification) { n.To = "a@b.example\nRCPT" }, "to has a control character"},
		"not UTF-8":             {func(n *Notification) { n.Body = "\xff" }, "body is not valid UTF-8"},
		"nothing to say":        {func(n *Notification) { n.Subject, n.Body = "", "" }, "subject and body are both missing"},
		"no time":               {func(n *Notification) { n.At = time.Time{} }, "at is missing"},
		"time without JSON":     {func(n *Notification) { n.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "at is in the year 10000"},
		"all at once":           {func(n *Notification) { n.ID, n.At = "", time.Time{} }, "id is missing\nat is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := sampleNotification()
			row.change(&n)
			err := n.Validate()
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

// The largest notification still fits a queue message of one megabyte when JSON
// escapes each byte of it.
func TestLargestNotificationFitsAQueueMessage(t *testing.T) {
	t.Parallel()
	n := sampleNotification()
	n.Body = strings.Repeat("\x01", MaxBodyBytes)
	n.Key = strings.Repeat("<", MaxKeyBytes)
	if err := n.Validate(); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	if got, limit := len(data), 1<<20; got > limit*9/10 {
		t.Errorf("got %d bytes of JSON, want at most nine tenths of %d", got, limit)
	}
	var back Notification
	if err := json.Unmarshal(data, &back); err != nil || back != n {
		t.Errorf("JSON round trip: got %v, want the same notification", err)
	}
}

type channelFunc func(context.Context, Notification) error

func (f channelFunc) Send(ctx context.Context, n Notification) error { return f(ctx, n) }

func TestChannels(t *testing.T) {
	t.Parallel()
	var sent []string
	broken := errors.New("no route")
	channels := Channels{
		"mail": channelFunc(func(_ context.Context, n Notification) error {
			sent = append(sent, n.ID)
			return nil
		}),
		"hook": channelFunc(func(context.Context, Notification) error {
			return &RetryAfterError{After: time.Minute, Err: broken}
		}),
		"none": nil,
	}
	n := sampleNotification()
	if err := channels.Send(t.Context(), n); err != nil {
		t.Errorf("got %v through a known channel", err)
	}
	if len(sent) != 1 || sent[0] != n.ID {
		t.Errorf("got %q sent, want %q once", sent, n.ID)
	}

	n.Channel = "hook"
	err := channels.Send(t.Context(), n)
	if after, ok := errors.AsType[*RetryAfterError](err); !ok || after.After != time.Minute || !errors.Is(err, broken) {
		t.Errorf("got %v, want the channel's own decision and cause", err)
	}
	if want := `notification "welcome_0123456789abcdef" through "hook": retry after 1m0s: no route`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}

	for _, name := range []string{"pigeon", "", "none"} {
		n.Channel = name
		err := channels.Send(t.Context(), n)
		rejected, ok := errors.AsType[*RejectedError](err)
		if !ok || !strings.Contains(rejected.Reason, `want one of "hook", "mail", "none"`) {
			t.Errorf("channel %q: got %v, want a rejection that names the known ones", name, err)
		}
	}
	if err := Channels(nil).Send(t.Context(), n); !strings.Contains(err.Error(), "want one of none") {
		t.Errorf("got %v from no channels at all", err)
	}
}

func TestEveryChannelRejectsAnInvalidNotification(t *testing.T) {
	t.Parallel()
	outbox, err := OpenOutbox(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	channels := map[string]Channel{"smtp": newTestSMTP(t, "127.0.0.1:1", nil), "webhook": newTestWebhook(t, "https://h.example", nil), "chat": newTestChat(t, "https://h.example"), "outbox": outbox}
	for name, c := range channels {
		n := sampleNotification()
		n.Subject = "a\nb"
		if _, ok := errors.AsType[*RejectedError](c.Send(t.Context(), n)); !ok {
			t.Errorf("%s took a subject of two lines", name)
		}
	}
}
