package snsnotify_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sluice/notify"
	"sluice/notify/internal/awsnotify/awsnotifytest"
	"sluice/notify/snsnotify"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:news"

func channel(t *testing.T, s *awsnotifytest.Service, arn string) notify.Channel {
	t.Helper()
	ch, err := snsnotify.New(sns.NewFromConfig(s.Config()), arn)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

const published = `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`

// attributes returns the message attributes of a Publish request.
func attributes(form url.Values) map[string]string {
	out := map[string]string{}
	for name, value := range form {
		if entry, ok := strings.CutSuffix(name, ".Name"); ok {
			out[value[0]] = form.Get(entry + ".Value.StringValue")
		}
	}
	return out
}

func TestPublishes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		topic   string
		change  func(*notify.Notification)
		subject string
		message string
		attrs   map[string]string // in addition to those of every message
		fifo    bool
	}{
		"plain":                  {topic: topic, subject: "Hello", message: "the body\n"},
		"to the topic by name":   {topic: topic, change: func(n *notify.Notification) { n.To = topic }, subject: "Hello", message: "the body\n"},
		"fifo":                   {topic: topic + ".fifo", subject: "Hello", message: "the body\n", fifo: true},
		"subject alone":          {topic: topic, change: func(n *notify.Notification) { n.Body = "" }, subject: "Hello", message: "Hello"},
		"subject is not ASCII":   {topic: topic, change: func(n *notify.Notification) { n.Subject = "Grüße" }, subject: "Gr??e", message: "the body\n", attrs: map[string]string{"subject": "Grüße"}},
		"subject begins blank":   {topic: topic, change: func(n *notify.Notification) { n.Subject = " Hi" }, subject: "Hi", message: "the body\n", attrs: map[string]string{"subject": " Hi"}},
		"subject is long":        {topic: topic, change: func(n *notify.Notification) { n.Subject = strings.Repeat("x", 100) }, subject: strings.Repeat("x", 99), message: "the body\n", attrs: map[string]string{"subject": strings.Repeat("x", 100)}},
		"key has odd characters": {topic: topic, change: func(n *notify.Notification) { n.Key = "a\x00b" }, subject: "Hello", message: "the body\n", attrs: map[string]string{"key": "a\uFFFDb"}},
		"no rule":                {topic: topic, change: func(n *notify.Notification) { n.Rule = "" }, subject: "Hello", message: "the body\n", attrs: map[string]string{"rule": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := awsnotifytest.Start(t, http.StatusOK, published)
			n := awsnotifytest.Notification()
			if tt.change != nil {
				tt.change(&n)
			}
			if err := channel(t, s, tt.topic).Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			form, err := url.ParseQuery(s.Body)
			if err != nil {
				t.Fatal(err)
			}
			if form.Get("TopicArn") != tt.topic || form.Get("Subject") != tt.subject || form.Get("Message") != tt.message {
				t.Errorf("got %q %q %q, want %q %q %q", form.Get("TopicArn"), form.Get("Subject"), form.Get("Message"), tt.topic, tt.subject, tt.message)
			}
			want := map[string]string{"id": "5f3a", "rule": "welcome", "key": "user#ann@example.com", "cause": "c-1", "at": "2026-01-02T03:04:05Z"}
			for k, v := range tt.attrs {
				want[k] = v
			}
			got := attributes(form)
			for k, v := range want {
				if got[k] != v {
					t.Errorf("attribute %s: got %q, want %q", k, got[k], v)
				}
			}
			if _, there := got["rule"]; there && want["rule"] == "" {
				t.Error("got an empty attribute, which SNS refuses")
			}
			if fifo := form.Get("MessageDeduplicationId") == "5f3a" && form.Get("MessageGroupId") != ""; fifo != tt.fifo {
				t.Errorf("group %q and deduplication %q, want them: %v", form.Get("MessageGroupId"), form.Get("MessageDeduplicationId"), tt.fifo)
			}
		})
	}
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code     string
		status   int
		rejected bool
		wait     time.Duration
	}{
		{code: "InvalidParameter", status: 400, rejected: true},
		{code: "ParameterValueInvalid", status: 400, rejected: true},
		{code: "ValidationException", status: 400, rejected: true},
		{code: "Throttled", status: 429, wait: time.Minute},
		{code: "KMSThrottling", status: 400, wait: time.Minute},
		{code: "NotFound", status: 404},
		{code: "AuthorizationError", status: 403},
		{code: "InternalError", status: 500},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			s := awsnotifytest.Start(t, tt.status, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>`+
				tt.code+`</Code><Message>from the service</Message></Error></ErrorResponse>`)
			awsnotifytest.ExpectError(t, channel(t, s, topic).Send(t.Context(), awsnotifytest.Notification()), tt.rejected, tt.wait)
		})
	}
}

func TestRejectsInvalidNotificationWithoutARequest(t *testing.T) {
	t.Parallel()
	s := awsnotifytest.Start(t, http.StatusOK, published)
	ch := channel(t, s, topic)
	other, empty := awsnotifytest.Notification(), awsnotifytest.Notification()
	other.To = topic + "-other"
	empty.ID = ""
	for name, n := range map[string]notify.Notification{"another topic": other, "no id": empty} {
		if _, ok := errors.AsType[*notify.RejectedError](ch.Send(t.Context(), n)); !ok || s.Requests.Load() != 0 {
			t.Errorf("%s: got %d requests, want a RejectedError and none", name, s.Requests.Load())
		}
	}
}

func TestTopicRegion(t *testing.T) {
	t.Parallel()
	if region, err := snsnotify.TopicRegion(topic); region != "eu-west-1" || err != nil {
		t.Errorf("got %q, %v, want eu-west-1", region, err)
	}
	for _, bad := range []string{"", "news", "arn:aws:sqs:eu-west-1:123456789012:news", "arn:aws:sns::123456789012:news", topic + ":0b3f-subscription"} {
		if _, err := snsnotify.TopicRegion(bad); err == nil {
			t.Errorf("TopicRegion accepted %q", bad)
		}
		if _, err := snsnotify.New(sns.New(sns.Options{}), bad); err == nil {
			t.Errorf("New accepted %q", bad)
		}
	}
}

func TestDeduplicationIDIsDerivedFromUnsafeID(t *testing.T) {
	t.Parallel()
	s := awsnotifytest.Start(t, http.StatusOK, published)
	ch := channel(t, s, topic+".fifo")
	seen := map[string]bool{}
	for _, id := range []string{strings.Repeat("a", 129), strings.Repeat("b", 512), "ü", "a b"} {
		n := awsnotifytest.Notification()
		n.ID = id
		if err := ch.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		form, err := url.ParseQuery(s.Body)
		if err != nil {
			t.Fatal(err)
		}
		dedup := form.Get("MessageDeduplicationId")
		if dedup == "" || len(dedup) > 128 || seen[dedup] || attributes(form)["id"] != id {
			t.Errorf("id %q: deduplication %q, attribute %q", id, dedup, attributes(form)["id"])
		}
		seen[dedup] = true
	}
}
