package channels_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sluice/notify"
	"sluice/workers/channels"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:news"

// service is an AWS service that gives one answer to everything.
type service struct {
	*httptest.Server
	header     http.Header
	path, body string // of the last request
	calls      atomic.Int64
}

func start(t *testing.T, status int, answer string) *service {
	t.Helper()
	s := new(service)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.path, s.body = r.URL.Path, string(b)
		s.calls.Add(1)
		for name, values := range s.header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) config() aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &s.URL, HTTPClient: s.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}

func notification() notify.Notification {
	return notify.Notification{
		ID: "5f3a", Rule: "welcome", Channel: "any", Subject: "Hello", Body: "the body\n",
		At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Key: "user#ann@example.com", Cause: "c-1",
	}
}

// expect holds an error to what it must mean.
func expect(t *testing.T, err error, rejected bool, wait time.Duration) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	if _, ok := errors.AsType[*notify.RejectedError](err); ok != rejected {
		t.Errorf("got %v, rejected %v, want %v", err, ok, rejected)
	}
	later, ok := errors.AsType[*notify.RetryAfterError](err)
	// A throttled one waits up to a quarter longer, so that not all come back at once.
	if ok != (wait > 0) || ok && later.After != wait && (wait != time.Minute || later.After < wait || later.After > wait+wait/4) {
		t.Errorf("got %v, want it to wait %v", err, wait)
	}
}

func contextThatEnds(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func topicChannel(t *testing.T, s *service, arn string) notify.Channel {
	t.Helper()
	ch, err := channels.NewSNS(sns.NewFromConfig(s.config()), arn)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

const published = `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`

// attributes are the message attributes of a Publish request.
func attributes(form url.Values) map[string]string {
	out := map[string]string{}
	for name, value := range form {
		if entry, ok := strings.CutSuffix(name, ".Name"); ok {
			out[value[0]] = form.Get(entry + ".Value.StringValue")
		}
	}
	return out
}

func TestSNSPublishes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		topic   string
		change  func(*notify.Notification)
		subject string
		message string
		attrs   map[string]string // beside the usual ones
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
			s := start(t, http.StatusOK, published)
			n := notification()
			if tt.change != nil {
				tt.change(&n)
			}
			if err := topicChannel(t, s, tt.topic).Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			form, err := url.ParseQuery(s.body)
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
				t.Error("an empty attribute was sent, which SNS refuses")
			}
			if fifo := form.Get("MessageDeduplicationId") == "5f3a" && form.Get("MessageGroupId") != ""; fifo != tt.fifo {
				t.Errorf("group %q and deduplication %q, want them: %v", form.Get("MessageGroupId"), form.Get("MessageDeduplicationId"), tt.fifo)
			}
		})
	}
}

func TestSNSErrors(t *testing.T) {
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
			s := start(t, tt.status, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>`+
				tt.code+`</Code><Message>said the service</Message></Error></ErrorResponse>`)
			expect(t, topicChannel(t, s, topic).Send(t.Context(), notification()), tt.rejected, tt.wait)
		})
	}
}

func TestSNSRejectsBeforeItSends(t *testing.T) {
	t.Parallel()
	s := start(t, http.StatusOK, published)
	ch := topicChannel(t, s, topic)
	other, empty := notification(), notification()
	other.To = topic + "-of-others"
	empty.ID = ""
	for name, n := range map[string]notify.Notification{"another topic": other, "no id": empty} {
		if _, ok := errors.AsType[*notify.RejectedError](ch.Send(t.Context(), n)); !ok || s.calls.Load() != 0 {
			t.Errorf("%s: want a RejectedError and no call, got %d calls", name, s.calls.Load())
		}
	}
}

func TestTopicRegion(t *testing.T) {
	t.Parallel()
	if region, err := channels.TopicRegion(topic); region != "eu-west-1" || err != nil {
		t.Errorf("got %q, %v, want eu-west-1", region, err)
	}
	for _, bad := range []string{"", "news", "arn:aws:sqs:eu-west-1:123456789012:news", "arn:aws:sns::123456789012:news", topic + ":0b3f-subscription"} {
		if _, err := channels.TopicRegion(bad); err == nil {
			t.Errorf("%q was taken for a topic", bad)
		}
		if _, err := channels.NewSNS(sns.New(sns.Options{}), bad); err == nil {
			t.Errorf("NewSNS took %q", bad)
		}
	}
}

func TestLongIDsAreDerived(t *testing.T) {
	t.Parallel()
	s := start(t, http.StatusOK, published)
	ch := topicChannel(t, s, topic+".fifo")
	seen := map[string]bool{}
	for _, id := range []string{strings.Repeat("a", 129), strings.Repeat("b", 512), "ü", "a b"} {
		n := notification()
		n.ID = id
		if err := ch.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		form, err := url.ParseQuery(s.body)
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
