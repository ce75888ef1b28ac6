package sqstest

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// T is a running case: the test, a client, and helpers for the actions that fail
// the test when the engine returns an error.
type T struct {
	testing.TB
	*sqs.Client
	target *Target
	strict bool // require AWS's errors even if the target departs in them
}

// attrs returns queue attributes from name, value, name, value.
func attrs(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

// name returns a unique queue name.
func (t *T) name() string { return "t-" + strings.ToLower(rand.Text()) }

// queue creates a standard queue and returns its URL.
func (t *T) queue(kv ...string) string { return t.create(t.name(), attrs(kv...)) }

// fifo creates a FIFO queue and returns its URL.
func (t *T) fifo(kv ...string) string {
	a := attrs("FifoQueue", "true")
	maps.Copy(a, attrs(kv...))
	return t.create(t.name()+".fifo", a)
}

func (t *T) create(name string, a map[string]string) string {
	t.Helper()
	out, err := t.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: a})
	if err != nil {
		t.Fatalf("create queue %s: %v", name, err)
	}
	// The engine may outlive the test.
	client := t.Client
	t.Cleanup(func() { _, _ = client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}) })
	return *out.QueueUrl
}

func (t *T) attributes(url string, names ...types.QueueAttributeName) map[string]string {
	t.Helper()
	if names == nil {
		names = []types.QueueAttributeName{"All"}
	}
	out, err := t.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes
}

func (t *T) arn(url string) string { return t.attributes(url, "QueueArn")["QueueArn"] }

// counts returns the numbers of messages that are visible, in flight and delayed.
func (t *T) counts(url string) [3]int {
	t.Helper()
	a := t.attributes(url)
	var n [3]int
	for i, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		n[i], _ = strconv.Atoi(a[name])
	}
	return n
}

func (t *T) wantCounts(url string, visible, inFlight, delayed int) {
	t.Helper()
	if got, want := t.counts(url), [3]int{visible, inFlight, delayed}; got != want {
		t.Errorf("visible, in flight, delayed: got %v, want %v", got, want)
	}
}

// send sends a message without attributes.
func (t *T) send(url, body string) *sqs.SendMessageOutput {
	t.Helper()
	return t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
}

// sendTo sends a message to a group of a FIFO queue. An empty id omits the
// deduplication id.
func (t *T) sendTo(url, group, id, body string) *sqs.SendMessageOutput {
	t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageGroupId: &group}
	if id != "" {
		in.MessageDeduplicationId = &id
	}
	return t.sendInput(in)
}

func (t *T) sendInput(in *sqs.SendMessageInput) *sqs.SendMessageOutput {
	t.Helper()
	out, err := t.SendMessage(t.Context(), in)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return out
}

// receive receives up to max messages with all attributes, without waiting.
func (t *T) receive(url string, max int32) []types.Message {
	t.Helper()
	return t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: max})
}

func (t *T) receiveInput(in *sqs.ReceiveMessageInput) []types.Message {
	t.Helper()
	if in.MessageSystemAttributeNames == nil {
		in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"All"}
	}
	if in.MessageAttributeNames == nil {
		in.MessageAttributeNames = []string{"All"}
	}
	out, err := t.ReceiveMessage(t.Context(), in)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return out.Messages
}

// one receives exactly one message, with the body.
func (t *T) one(url, body string) types.Message {
	t.Helper()
	ms := t.receive(url, 10)
	if got := bodies(ms); len(ms) != 1 || got[0] != body {
		t.Fatalf("received %q, want exactly %q", got, body)
	}
	return ms[0]
}

// none receives nothing.
func (t *T) none(url string) {
	t.Helper()
	if ms := t.receive(url, 10); len(ms) != 0 {
		t.Fatalf("received %q, want nothing", bodies(ms))
	}
}

// wantBodies receives once and compares the bodies in order.
func (t *T) wantBodies(url string, want ...string) []types.Message {
	t.Helper()
	ms := t.receive(url, 10)
	if got := strings.Join(bodies(ms), ","); got != strings.Join(want, ",") {
		t.Fatalf("received %s, want %s", got, strings.Join(want, ","))
	}
	return ms
}

func (t *T) delete(url string, m types.Message) {
	t.Helper()
	if _, err := t.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func (t *T) hide(url string, m types.Message, seconds int32) error {
	_, err := t.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

// sleep sleeps, or skips the rest of the case if that would take too long.
func (t *T) sleep(d time.Duration) {
	t.mayNeed(d)
	time.Sleep(d)
}

// mayNeed skips the rest of the case if it may not sleep for d. A case calls it
// before it starts goroutines and sleeps meanwhile.
func (t *T) mayNeed(d time.Duration) {
	if limit := t.target.MaxSleep; limit != 0 && d > limit {
		t.Skipf("too slow: the rest would sleep for %v", d)
	}
}

// longPoll starts a long poll, gives it time to begin waiting, and returns a
// channel of its messages.
func (t *T) longPoll(url string) <-chan []types.Message {
	t.mayNeed(500 * time.Millisecond)
	done := make(chan []types.Message, 1)
	go func() {
		out, err := t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, WaitTimeSeconds: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			t.Errorf("receive: %v", err)
			close(done)
			return
		}
		done <- out.Messages
	}()
	t.sleep(500 * time.Millisecond)
	return done
}

func bodies(ms []types.Message) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = aws.ToString(m.Body)
	}
	return out
}

// wantError checks that err is of the SDK's type E.
func wantError[E error](t *T, what string, err error) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok && !(t.errorsDiffer() && refused(err)) {
		var want E
		t.Errorf("%s: got %v, want a %T", what, err, want)
	}
}

// wantCode checks the code of an error that has no type in the SDK.
func wantCode(t *T, what string, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code && !t.errorsDiffer() {
		t.Errorf("%s: got %v, want the code %s", what, err, code)
	}
}

// errorsDiffer reports whether the engine has error types of its own.
func (t *T) errorsDiffer() bool {
	_, ok := t.target.Departs[ErrorTypes]
	return ok && !t.strict
}

// refused reports whether err is an error response of the engine.
func refused(err error) bool {
	_, ok := errors.AsType[smithy.APIError](err)
	return ok
}
