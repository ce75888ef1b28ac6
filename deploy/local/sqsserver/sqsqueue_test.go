package sqsserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
)

// The tests in this file send through package sqsqueue and the SDK. The package
// has tests of its own, against queues in memory.

func queueClient(t *testing.T) *sqs.Client {
	t.Helper()
	db, err := store.Open(t.TempDir(), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	service, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := errors.Join(service.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
}

// newQueue creates a queue, FIFO if its name says so, and returns its URL.
func newQueue(t *testing.T, c *sqs.Client, name string) string {
	t.Helper()
	in := &sqs.CreateQueueInput{QueueName: &name}
	if strings.HasSuffix(name, ".fifo") {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	out, err := c.CreateQueue(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

// drain receives and deletes every message of a queue.
func drain(t *testing.T, c *sqs.Client, url string) []types.Message {
	t.Helper()
	var all []types.Message
	for {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 600,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, out.Messages...)
	}
}

func attribute(m types.Message, name string) string {
	return aws.ToString(m.MessageAttributes[name].StringValue)
}

// A message that sqsqueue accepts is one that the server accepts, up to the last
// byte of both limits, and with every character that JSON may hold.
func TestQueueSendsWhatTheServerAccepts(t *testing.T) {
	t.Parallel()
	c := queueClient(t)
	q := sqsqueue.Queue{Client: c, URL: newQueue(t, c, "jobs")}
	largest := pipeline.Message{ID: "largest", Type: "t", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Data: json.RawMessage(`""`)}
	body, err := json.Marshal(largest)
	if err != nil {
		t.Fatal(err)
	}
	attributes := len(sqsqueue.AttrCause+"String"+largest.ID) + len("traceparent"+"String"+largest.TraceParent)
	largest.Data = json.RawMessage(`"` + strings.Repeat("x", sqsqueue.MaxMessageBytes-len(body)-attributes) + `"`)

	sent := []pipeline.Message{
		largest,
		{ID: "a\x01", Type: "odd", Data: json.RawMessage(`{"key":"a` + "\uFFFE\uFFFF" + `\u0001é😀"}`)},
		{ID: strings.Repeat("i", 5000), Type: "odd", Subject: "b\x1f"},
	}
	for i := range 25 {
		sent = append(sent, pipeline.Message{ID: fmt.Sprint("m", i), Type: "t", Data: json.RawMessage(`"` + strings.Repeat("x", 90<<10) + `"`)})
	}
	if err := q.Send(t.Context(), sent...); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range sent {
		want = append(want, m.ID)
	}
	for _, m := range drain(t, c, q.URL) {
		decoded, err := pipeline.DecodeMessage([]byte(*m.Body))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, decoded.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %.20q, want %.20q", got, want)
	}
}

func TestQueueOnFIFODropsDuplicates(t *testing.T) {
	t.Parallel()
	c := queueClient(t)
	q := sqsqueue.Queue{Client: c, URL: newQueue(t, c, "jobs.fifo")}
	for range 2 {
		for i, subject := range []string{"bucket/a b/ü", "bucket/a b/ü", "other"} {
			if err := q.Send(t.Context(), pipeline.Message{ID: fmt.Sprint("m", i), Type: "t", Subject: subject}); err != nil {
				t.Fatal(err)
			}
		}
	}
	groups := map[string][]string{}
	for _, m := range drain(t, c, q.URL) {
		groups[m.Attributes["MessageGroupId"]] = append(groups[m.Attributes["MessageGroupId"]], attribute(m, sqsqueue.AttrCause))
	}
	if first := groups[pipeline.DeriveID("bucket/a b/ü")]; len(groups) != 2 || !slices.Equal(first, []string{"m0", "m1"}) {
		t.Errorf("got %v, want m0 and m1 in one group, m2 in another", groups)
	}
}

// Dead letters of every encoding, with ten attributes, on both kinds of queue.
func TestDeadLettersAreWhatTheServerAccepts(t *testing.T) {
	t.Parallel()
	c := queueClient(t)
	for _, name := range []string{"dead", "dead.fifo"} {
		d := sqsqueue.DeadLetters{Client: c, URL: newQueue(t, c, name)}
		want := []string{"", "plain\n\t😀", "zero\x00byte"}
		for _, body := range want {
			err := d.Write(t.Context(), pipeline.DeadLetter{
				Record: pipeline.Record{
					ID: "id-" + fmt.Sprintf("%x", body), Cause: "cause", Source: "arn:aws:sqs:us-east-1:000000000000:jobs", Attempt: 4, Body: []byte(body),
					Attrs: map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tenant": "acme", "zone": "b"},
				},
				Reason: errors.New("a\x00b\n" + strings.Repeat("x", 5000)), Worker: "messages", At: time.Unix(1e9, 0),
			})
			if err != nil {
				t.Fatalf("%s: body %q: %v", name, body, err)
			}
		}
		got := drain(t, c, d.URL)
		if len(got) != len(want) {
			t.Errorf("%s: got %d dead letters, want %d", name, len(got), len(want))
		}
		for _, m := range got {
			if attribute(m, "tenant") != "acme" || len(m.MessageAttributes) != 10 {
				t.Errorf("%s: got %d attributes, want 10, tenant among them", name, len(m.MessageAttributes))
			}
		}
	}
}

func TestDelayHidesAMessage(t *testing.T) {
	t.Parallel()
	c := queueClient(t)
	q := sqsqueue.Queue{Client: c, URL: newQueue(t, c, "jobs")}
	if err := q.Send(t.Context(), pipeline.Message{ID: "m", Type: "t"}); err != nil {
		t.Fatal(err)
	}
	receive := func() []types.Message {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL, VisibilityTimeout: 600})
		if err != nil {
			t.Fatal(err)
		}
		return out.Messages
	}
	record := pipeline.Record{ID: "m", Attrs: map[string]string{"receiptHandle": *receive()[0].ReceiptHandle}}
	for _, d := range []time.Duration{time.Nanosecond, 24 * time.Hour} {
		if err := q.Delay(t.Context(), record, d); err != nil {
			t.Errorf("delay of %v: %v", d, err)
		}
	}
	if got := receive(); len(got) != 0 {
		t.Errorf("got %d messages within the delay, want none", len(got))
	}
}
