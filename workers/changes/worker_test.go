package changes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

const (
	jobsURL          = "http://queue/jobs"
	notificationsURL = "http://queue/notifications"
	deadLetterURL    = "http://queue/dead"
)

var (
	errDown = errors.New("the queue is down")
	morning = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ada     = schema.UserKey("ada@example.com")
	order7  = schema.OrderKey("ada@example.com", "7")
	cat     = schema.ImageKey("uploads", "photos/cat.jpg")
)

// fixture is a worker on queues that a test can inspect.
type fixture struct {
	*Worker
	queues *fakeSQS
	log    *bytes.Buffer
}

// newFixture builds a worker. change, if set, alters its configuration.
func newFixture(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{queues: new(fakeSQS), log: new(bytes.Buffer)}
	c := Config{
		JobsQueueURL: jobsURL, NotificationsQueueURL: notificationsURL, DeadLetterQueueURL: deadLetterURL,
		NotifyTo: "operator@example.com", Parallel: 1, Reserve: time.Second,
	}
	if change != nil {
		change(&c)
	}
	w, err := Build(c, Clients{SQS: f.queues}, slog.New(slog.NewTextHandler(f.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.Worker = w
	return f
}

// change is one record of a stream. Its images are the members of an item, all
// text. A nil image is absent.
type change struct {
	Seq      int
	Key      pipeline.Key
	Old, New map[string]string
	At       time.Time // zero is morning
	View     string    // "" is NEW_AND_OLD_IMAGES
	Service  bool      // removed by time to live
	Broken   bool      // its images cannot be read
}

func (c change) eventID() string { return "event-" + strconv.Itoa(c.Seq) }

func (c change) record() map[string]any {
	type object = map[string]any
	image := func(members map[string]string) object {
		out := object{"PK": object{"S": c.Key.PK}, "SK": object{"S": c.Key.SK}}
		for name, value := range members {
			out[name] = object{"S": value}
		}
		return out
	}
	at := c.At
	if at.IsZero() {
		at = morning
	}
	name := "MODIFY"
	data := object{
		"ApproximateCreationDateTime": at.Unix(), "Keys": image(nil), "SequenceNumber": strconv.Itoa(1000 + c.Seq),
		"StreamViewType": "NEW_AND_OLD_IMAGES",
	}
	if c.View != "" {
		data["StreamViewType"] = c.View
	}
	if c.Old != nil {
		data["OldImage"] = image(c.Old)
	} else {
		name = "INSERT"
	}
	if c.New != nil {
		data["NewImage"] = image(c.New)
	} else {
		name = "REMOVE"
	}
	if c.View == "KEYS_ONLY" {
		delete(data, "OldImage")
		delete(data, "NewImage")
	}
	if c.Broken {
		data["NewImage"] = object{"status": object{"FUTURE": "1"}}
	}
	r := object{
		"eventID": c.eventID(), "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": data,
		"eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/records/stream/2026-01-01T00:00:00.000",
	}
	if c.Service {
		r["userIdentity"] = object{"type": "Service", "principalId": "dynamodb.amazonaws.com"}
	}
	return r
}

// deliver invokes the worker and returns the checkpoint of its response: the Seq
// of the record named in it, 0 for none.
func (f *fixture) deliver(t *testing.T, cs ...change) int {
	t.Helper()
	records := []any{}
	for _, c := range cs {
		records = append(records, c.record())
	}
	payload, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(b, &response); err != nil {
		t.Fatal(err)
	}
	if len(response.BatchItemFailures) == 0 {
		return 0
	}
	n, err := strconv.Atoi(response.BatchItemFailures[0].ItemIdentifier)
	if err != nil || len(response.BatchItemFailures) > 1 {
		t.Fatalf("response: got %s, want one sequence number at most", b)
	}
	return n - 1000
}

// done delivers changes that must all succeed without a dead letter.
func (f *fixture) done(t *testing.T, cs ...change) {
	t.Helper()
	before := len(f.queues.deadLetters)
	if at := f.deliver(t, cs...); at != 0 || len(f.queues.deadLetters) > before {
		t.Fatalf("got failure at %d, dead letters %q\n%s", at, f.queues.deadLetters[before:], f.log)
	}
}

// fakeSQS records the messages sent.
type fakeSQS struct {
	mu          sync.Mutex
	sent        []sent
	deadLetters []string // "id: reason"
	down        string   // the queue that fails
	// refuse, if set, reports whether SQS rejects a message.
	refuse func(body string) bool
}

type sent struct {
	URL     string
	Message pipeline.Message
}

func (s *fakeSQS) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != "" && aws.ToString(in.QueueUrl) == s.down {
		return nil, errDown
	}
	attr := func(name string) string { return aws.ToString(in.MessageAttributes[name].StringValue) }
	s.deadLetters = append(s.deadLetters, attr(sqsqueue.AttrID)+": "+attr(sqsqueue.AttrReason))
	return &sqs.SendMessageOutput{}, nil
}

func (s *fakeSQS) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != "" && aws.ToString(in.QueueUrl) == s.down {
		return nil, errDown
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		if s.refuse != nil && s.refuse(aws.ToString(e.MessageBody)) {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError")})
			continue
		}
		m, err := pipeline.DecodeMessage([]byte(aws.ToString(e.MessageBody)))
		if err != nil {
			return nil, err
		}
		s.sent = append(s.sent, sent{aws.ToString(in.QueueUrl), m})
	}
	return out, nil
}

func (s *fakeSQS) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	return nil, errors.New("a stream's records have no visibility")
}

// to returns the messages that were sent to a queue, in order.
func (s *fakeSQS) to(url string) []pipeline.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []pipeline.Message
	for _, m := range s.sent {
		if m.URL == url {
			out = append(out, m.Message)
		}
	}
	return out
}

// told returns the notifications that were queued.
func (f *fixture) told(t *testing.T) []notify.Notification {
	t.Helper()
	var out []notify.Notification
	for _, m := range f.queues.to(notificationsURL) {
		var n notify.Notification
		if err := json.Unmarshal(m.Data, &n); err != nil {
			t.Fatal(err)
		}
		if m.Type != schema.TypeNotification || m.ID != n.ID || m.Source != "sluice/changes" || m.Subject != n.Key || !m.Time.Equal(n.At) {
			t.Errorf("message: got %+v, want the values of its notification", m)
		}
		out = append(out, n)
	}
	return out
}

// rules returns the names of the rules of the notifications, in order.
func (f *fixture) rules(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, n := range f.told(t) {
		names = append(names, n.Rule)
	}
	return names
}

func userTo(seq int, from, to string) change {
	c := change{Seq: seq, Key: ada, New: map[string]string{"status": to, "email": "ada@example.com", "name": "Ada"}}
	if from != "" {
		c.Old = map[string]string{"status": from, "email": "ada@example.com", "name": "Ada"}
	}
	return c
}

func TestWorkerGivesSameChangeSameIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	cs := []change{userTo(1, "", "pending"), userTo(2, "pending", "active")}
	f.done(t, cs...)
	first := slices.Clone(f.queues.sent)
	f.done(t, cs...)
	if again := f.queues.sent[len(first):]; len(first) != 2 || !reflect.DeepEqual(first, again) {
		t.Errorf("second delivery: got %+v, want %+v", again, first)
	}
	// Another change has the same step and record.
	f.done(t, userTo(3, "pending", "active"))
	told := f.told(t)
	if len(told) != 3 || told[2].ID == told[0].ID {
		t.Errorf("of another change: got %+v, want another id", told)
	}
}

func TestWorkerRequiresImagesAndLogsViewType(t *testing.T) {
	t.Parallel()
	for _, c := range []change{
		{Seq: 2, Key: ada, New: map[string]string{"status": "active"}, View: "KEYS_ONLY"},
		{Seq: 2, Key: ada, Old: map[string]string{}, New: map[string]string{}, View: "KEYS_ONLY"},
		{Seq: 2, Key: ada, Old: map[string]string{}, View: "KEYS_ONLY"},
	} {
		f := newFixture(t, nil)
		if at := f.deliver(t, userTo(1, "", "pending"), c, userTo(3, "", "pending")); at != 2 || len(f.queues.deadLetters) > 0 {
			t.Errorf("got failure at %d, dead letters %q, want 2, the record without images, and none", at, f.queues.deadLetters)
		}
		if got := len(f.queues.to(jobsURL)); got != 1 {
			t.Errorf("jobs: got %d, want the one of the first record", got)
		}
		if log := f.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "NEW_AND_OLD_IMAGES") {
			t.Errorf("log: got %s, want an error that names the view type", log)
		}
	}
}

func TestBadRecordDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	bad := userTo(2, "pending", "active")
	bad.Broken = true
	stranger := userTo(3, "", "pending")
	f := newFixture(t, nil)
	if at := f.deliver(t, userTo(1, "", "pending"), bad, stranger, userTo(4, "pending", "active")); at != 0 {
		t.Errorf("failed at %d, want the bad record to become a dead letter", at)
	}
	if jobs, told := len(f.queues.to(jobsURL)), len(f.told(t)); jobs != 2 || told != 1 {
		t.Errorf("got %d jobs and %d notifications, want 2 and 1", jobs, told)
	}
	if len(f.queues.deadLetters) != 1 || !strings.HasPrefix(f.queues.deadLetters[0], "1002: ") || !strings.Contains(f.queues.deadLetters[0], "status") {
		t.Errorf("dead letters: got %q, want one that names the record and the attribute", f.queues.deadLetters)
	}
	// Without a dead letter queue the record blocks the shard until the event
	// source mapping discards it.
	f = newFixture(t, func(c *Config) { c.DeadLetterQueueURL = "" })
	if at := f.deliver(t, userTo(1, "", "pending"), bad, stranger); at != 2 || len(f.queues.to(jobsURL)) != 1 {
		t.Errorf("without a dead letter queue: got failure at %d after %d jobs, want 2 after 1", at, len(f.queues.to(jobsURL)))
	}
}

func TestWorkerRejectsKeysOfAnotherTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	raw, err := json.Marshal(userTo(1, "", "pending").record())
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"Records":[` + strings.NewReplacer(`"PK"`, `"Id"`, `"SK"`, `"Range"`).Replace(string(raw)) + `]}`)
	if b, err := f.Invoke(t.Context(), payload); err != nil || string(b) != `{"batchItemFailures":[]}` {
		t.Errorf("got %s, %v", b, err)
	}
	if len(f.queues.deadLetters) != 1 || !strings.Contains(f.queues.deadLetters[0], "PK and SK") {
		t.Errorf("dead letters: got %q, want one that asks for PK and SK", f.queues.deadLetters)
	}
}

func TestWorkerKeepsTheStreamsOrder(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 8} {
		f := newFixture(t, func(c *Config) { c.Parallel = parallel })
		var cs []change
		for i := range 20 {
			from, to := "active", "pending"
			if i%2 == 1 {
				from, to = to, from
			}
			cs = append(cs, userTo(i+1, from, to))
		}
		f.done(t, cs...)
		want := 1
		for _, s := range f.queues.sent {
			id := pipeline.DeriveID(schema.TypeUserRegistration, change{Seq: want}.eventID())
			var n notify.Notification
			if s.URL == notificationsURL {
				if err := json.Unmarshal(s.Message.Data, &n); err != nil {
					t.Fatal(err)
				}
			}
			if s.Message.ID != id && n.Cause != (change{Seq: want}).eventID() {
				t.Fatalf("parallel %d: got %+v, want what follows from change %d", parallel, s.Message, want)
			}
			want++
		}
		if want != 21 {
			t.Errorf("parallel %d: got %d messages, want 20", parallel, want-1)
		}
	}
}

func TestWorkerFailsAtTheLowestRecord(t *testing.T) {
	t.Parallel()
	batch := []change{userTo(1, "", "pending"), userTo(2, "pending", "active"), userTo(3, "", "pending"), userTo(4, "pending", "active")}
	for _, c := range []struct {
		down string
		at   int
		sent int
	}{{jobsURL, 1, 0}, {notificationsURL, 2, 1}} {
		f := newFixture(t, nil)
		f.queues.down = c.down
		if at := f.deliver(t, batch...); at != c.at {
			t.Errorf("%s is down: failed at %d, want %d", c.down, at, c.at)
		}
		if len(f.queues.sent) != c.sent || len(f.queues.deadLetters) > 0 {
			t.Errorf("%s is down: got %d sent, dead letters %q, want %d and none", c.down, len(f.queues.sent), f.queues.deadLetters, c.sent)
		}
		f.queues.down = ""
		f.done(t, batch[c.at-1:]...)
		if len(f.queues.sent) != 4 {
			t.Errorf("after %s came back: sent %d, want 4", c.down, len(f.queues.sent))
		}
	}
}

func TestMessageRejectedByQueueFailsItsRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.queues.refuse = func(body string) bool { return strings.Contains(body, "order-processing") }
	order := change{Seq: 2, Key: order7, New: map[string]string{"status": "received"}}
	if at := f.deliver(t, userTo(1, "", "pending"), order, userTo(3, "", "pending")); at != 2 {
		t.Errorf("failed at %d, want 2", at)
	}
}

func TestChangeOverAgeLimitSendsNoNotification(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			limit, age time.Duration
			told       int
		}{{0, 100 * time.Hour, 1}, {time.Hour, time.Hour, 1}, {time.Hour, time.Hour + time.Second, 0}} {
			f := newFixture(t, func(config *Config) { config.NotifyMaxAge = c.limit })
			old := userTo(1, "", "pending")
			old.At = time.Now().Add(-c.age)
			news := userTo(2, "pending", "active")
			news.At = old.At
			f.done(t, old, news)
			if told := len(f.told(t)); told != c.told {
				t.Errorf("%v old, limit %v: told %d, want %d", c.age, c.limit, told, c.told)
			}
			if jobs := len(f.queues.to(jobsURL)); jobs != 1 {
				t.Errorf("%v old: %d jobs, want 1: jobs have no age limit", c.age, jobs)
			}
			if logged := strings.Contains(f.log.String(), "too old"); logged != (c.told == 0) {
				t.Errorf("%v old, limit %v: log %s", c.age, c.limit, f.log)
			}
		}
	})
}

func TestNotificationsReturnsThemWithoutQueueing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	body, err := json.Marshal(userTo(1, "pending", "active").record())
	if err != nil {
		t.Fatal(err)
	}
	c, got, err := f.Notifications(pipeline.Record{Body: body})
	if err != nil || c.Key != ada.PK || len(got) != 1 || got[0].Rule != "welcome" {
		t.Errorf("got %+v, %+v, %v, want the welcome", c, got, err)
	}
	if len(f.queues.sent) > 0 {
		t.Errorf("sent: %v", f.queues.sent)
	}
	f.done(t, userTo(1, "pending", "active"))
	if told := f.told(t); !reflect.DeepEqual(told, got) {
		t.Errorf("queued: got %+v, want %+v", told, got)
	}
	if _, _, err := f.Notifications(pipeline.Record{Body: []byte(`{}`)}); !pipeline.IsPermanent(err) {
		t.Errorf("invalid change: got %v, want a permanent error", err)
	}
}

func TestWorkerRejectsEventOfAnotherSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if _, err := f.Invoke(t.Context(), []byte(`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"{}"}]}`)); err == nil {
		t.Error("queue event: got no error, want one")
	}
}
