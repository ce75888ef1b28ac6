package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/pipeline/tabletest"
	"sluice/workers/schema"
)

var (
	errAgain = errors.New("not now")
	morning  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// fixture is a worker on backends that a test can inspect.
type fixture struct {
	*Worker
	records, state *table
	queues         *fakeSQS
	channel        *fakeChannel
}

// newFixture builds a worker. change, if set, alters its configuration and
// clients.
func newFixture(t *testing.T, change func(*Config, *Clients)) *fixture {
	t.Helper()
	f := &fixture{records: new(table), state: new(table), queues: new(fakeSQS), channel: new(fakeChannel)}
	c := Config{
		RecordsTable: "records", StateTable: "state", SMTPSecurity: "starttls", SourceQueueURL: "http://queue/jobs",
		DeadLetterQueueURL: "http://queue/dead", MaxAttempts: 4, Parallel: 10, Reserve: time.Second,
	}
	clients := Clients{Records: f.records, State: f.state, SQS: f.queues, Channels: notify.Channels{"email": f.channel}}
	if change != nil {
		change(&c, &clients)
	}
	w, err := Build(c, clients, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Worker = w
	return f
}

// message is one message of a queue.
type message struct {
	ID, Type string
	Data     any // JSON if it is a string
	Attempt  int // 0 is 1
	Time     time.Time
	Hops     int
	Trace    string
}

// deliver invokes the worker with the messages and returns the ids of the failed
// ones, in the order of the response.
func (f *fixture) deliver(t *testing.T, ms ...message) []string {
	t.Helper()
	failed, err := f.invoke(t.Context(), ms...)
	if err != nil {
		t.Fatal(err)
	}
	return failed
}

func (f *fixture) invoke(ctx context.Context, ms ...message) ([]string, error) {
	type record = map[string]any
	records := []record{}
	for _, m := range ms {
		if text, ok := m.Data.(string); ok {
			m.Data = json.RawMessage(text)
		}
		data, err := json.Marshal(m.Data)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(pipeline.Message{ID: m.ID, Type: m.Type, Data: data, Time: m.Time, Hops: m.Hops, TraceParent: m.Trace})
		if err != nil {
			return nil, err
		}
		records = append(records, record{
			"messageId": m.ID, "receiptHandle": "receipt of " + m.ID, "body": string(body),
			"attributes": record{
				"ApproximateReceiveCount": strconv.Itoa(max(m.Attempt, 1)),
				"SentTimestamp":           strconv.FormatInt(morning.UnixMilli(), 10),
			},
			"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
		})
	}
	payload, err := json.Marshal(record{"Records": records})
	if err != nil {
		return nil, err
	}
	b, err := f.Invoke(ctx, payload)
	if err != nil {
		return nil, err
	}
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(b, &response); err != nil {
		return nil, err
	}
	var failed []string
	for _, id := range response.BatchItemFailures {
		failed = append(failed, id.ItemIdentifier)
	}
	return failed, nil
}

// done delivers messages that must neither fail nor become dead letters.
func (f *fixture) done(t *testing.T, ms ...message) {
	t.Helper()
	before := len(f.queues.deadLetters)
	if back := f.deliver(t, ms...); len(back) > 0 || len(f.queues.deadLetters) > before {
		t.Fatalf("got failed messages %q and dead letters %+v, want none", back, f.queues.deadLetters[before:])
	}
}

// item returns a record's data as generic JSON, nil if there is no record.
func (f *fixture) item(t *testing.T, k pipeline.Key) map[string]any {
	t.Helper()
	it, err := f.records.Get(t.Context(), k)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	var m map[string]any
	if err == nil {
		err = it.Decode(&m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// put writes a record as another process would.
func (f *fixture) put(t *testing.T, k pipeline.Key, data string) {
	t.Helper()
	if _, err := f.records.Memory.Put(t.Context(), pipeline.Item{Key: k, Data: json.RawMessage(data)}, pipeline.Always()); err != nil {
		t.Fatal(err)
	}
}

// set changes some members of a record as another process would.
func (f *fixture) set(t *testing.T, k pipeline.Key, members map[string]any) {
	t.Helper()
	_, err := pipeline.Update(t.Context(), &f.records.Memory, k, func(map[string]any, bool) (any, error) { return members, nil })
	if err != nil {
		t.Fatal(err)
	}
}

// want compares some members of a record. A nil value means that the member must
// be absent.
func (f *fixture) want(t *testing.T, k pipeline.Key, members map[string]any) {
	t.Helper()
	got := f.item(t, k)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if fmt.Sprint(got[name]) != fmt.Sprint(members[name]) {
			t.Errorf("%s of %q: got %v, want %v", name, k, got[name], members[name])
		}
	}
}

// table is a table whose writes can fail.
type table struct {
	tabletest.Memory
	mu       sync.Mutex
	statuses []string // written, in order
	// onPut, if set, is called before each write and, with done, after it. The
	// write returns its error. It may panic.
	onPut func(status string, done bool) error
}

func (t *table) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	var data struct{ Status string }
	if err := it.Decode(&data); err != nil {
		return pipeline.Item{}, err
	}
	t.mu.Lock()
	onPut := t.onPut
	t.mu.Unlock()
	if onPut != nil {
		if err := onPut(data.Status, false); err != nil {
			return pipeline.Item{}, err
		}
	}
	stored, err := t.Memory.Put(ctx, it, c)
	if err != nil {
		return stored, err
	}
	t.mu.Lock()
	t.statuses = append(t.statuses, data.Status)
	t.mu.Unlock()
	if onPut != nil {
		if err := onPut(data.Status, true); err != nil {
			return pipeline.Item{}, err
		}
	}
	return stored, nil
}

// deadLetter is a message sent to the dead letter queue.
type deadLetter struct{ ID, Reason, Attempts string }

// fakeSQS records dead letters and delays.
type fakeSQS struct {
	mu          sync.Mutex
	deadLetters []deadLetter
	delays      map[string]int32 // seconds by receipt
}

func (s *fakeSQS) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	attr := func(name string) string { return aws.ToString(in.MessageAttributes[name].StringValue) }
	s.deadLetters = append(s.deadLetters, deadLetter{attr(sqsqueue.AttrID), attr(sqsqueue.AttrReason), attr(sqsqueue.AttrAttempts)})
	return &sqs.SendMessageOutput{}, nil
}

func (s *fakeSQS) SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	return nil, errors.New("got a batch of messages, want dead letters only")
}

func (s *fakeSQS) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.delays == nil {
		s.delays = make(map[string]int32)
	}
	s.delays[aws.ToString(in.ReceiptHandle)] = in.VisibilityTimeout
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// delay returns how long the message with this id was delayed.
func (s *fakeSQS) delay(id string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.delays["receipt of "+id]) * time.Second
}

// wantDeadLetter checks that the last dead letter is that of message id and that its
// reason contains all parts.
func (f *fixture) wantDeadLetter(t *testing.T, id string, parts ...string) {
	t.Helper()
	if len(f.queues.deadLetters) == 0 {
		t.Fatalf("got no dead letter, want that of %q", id)
	}
	last := f.queues.deadLetters[len(f.queues.deadLetters)-1]
	if last.ID != id {
		t.Errorf("dead letter: got %+v, want that of %q", last, id)
	}
	for _, part := range parts {
		if !strings.Contains(last.Reason, part) {
			t.Errorf("reason: got %q, want it to contain %q", last.Reason, part)
		}
	}
}

func TestWorkerReportsEachFailedMessage(t *testing.T) {
	t.Parallel()
	tried := make(map[string]int)
	var mu sync.Mutex
	f := newFixture(t, func(_ *Config, c *Clients) {
		c.Step = func(_ context.Context, o schema.Order) error {
			mu.Lock()
			defer mu.Unlock()
			tried[o.ID]++
			switch {
			case o.ID == "panics":
				panic("a bug")
			case o.ID == "once" && tried[o.ID] == 1:
				return errAgain
			}
			return nil
		}
	})
	order := func(id string) message {
		return message{ID: id, Type: schema.TypeOrderProcessing, Data: schema.OrderProcessing{Email: "ada@example.com", ID: id}}
	}
	batch := []message{
		order("a"), order("panics"),
		{ID: "unknown", Type: "make-coffee", Data: `{}`},
		order("once"),
		{ID: "invalid", Type: schema.TypeOrderProcessing, Data: `{"email":"nobody"}`},
		order("b"),
	}
	for attempt := 1; len(batch) > 0 && attempt <= 5; attempt++ {
		for i := range batch {
			batch[i].Attempt = attempt
		}
		back := f.deliver(t, batch...)
		batch = slices.DeleteFunc(batch, func(m message) bool { return !slices.Contains(back, m.ID) })
	}
	if len(batch) > 0 {
		t.Errorf("failed messages: got %v, want none", batch)
	}
	if want := map[string]int{"a": 1, "b": 1, "once": 2, "panics": 4}; !maps.Equal(tried, want) {
		t.Errorf("steps: got %v, want %v", tried, want)
	}
	reasons := make(map[string]string)
	for _, l := range f.queues.deadLetters {
		reasons[l.ID] = l.Attempts + " " + l.Reason
	}
	for id, want := range map[string]string{"panics": "4 panic: a bug", "unknown": `1 unknown message type "make-coffee"`, "invalid": "1 email: "} {
		if !strings.HasPrefix(reasons[id], want) {
			t.Errorf("dead letter of %s: got reason %q, want prefix %q", id, reasons[id], want)
		}
	}
	if len(reasons) != 3 {
		t.Errorf("dead letters: got %v, want three", reasons)
	}
}

func TestKeyThatNoTableAcceptsIsPermanent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	long := strings.Repeat("x", 3000)
	rejected := schema.ImageRejected{Source: schema.Source{Bucket: "uploads", Key: long, ETag: "e", Sequencer: "1"}, Reason: "r"}
	if back := f.deliver(t, message{ID: "m", Type: schema.TypeImageRejected, Data: rejected}); len(back) > 0 {
		t.Errorf("failed messages: got %q, want none", back)
	}
	f.wantDeadLetter(t, "m", `item "image#uploads/x`)
}

func TestHostileTextIsPermanent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, c := range []struct {
		m    message
		want string
	}{
		{message{ID: "name", Type: schema.TypeUserRegistration, Data: schema.UserRegistration{Email: "ada@example.com", Name: "Ada\r\n\r\nPay at https://evil.example"}}, "one line"},
		{message{ID: "order", Type: schema.TypeOrderProcessing, Data: schema.OrderProcessing{Email: "ada@example.com", ID: strings.Repeat("x", 1001)}}, "1000"},
	} {
		if back := f.deliver(t, c.m); len(back) > 0 {
			t.Errorf("failed messages: got %q, want none", back)
		}
		f.wantDeadLetter(t, c.m.ID, c.want)
	}
}

func TestWorkerUsesMiddleware(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var seen []string
	f.Use(func(h pipeline.Handler) pipeline.Handler {
		return func(ctx context.Context, r pipeline.Record) error {
			seen = append(seen, r.ID)
			return h(ctx, r)
		}
	})
	f.done(t, message{ID: "m", Type: schema.TypeUserRegistration, Data: schema.UserRegistration{Email: "ada@example.com"}})
	if !slices.Equal(seen, []string{"m"}) {
		t.Errorf("middleware: got messages %q", seen)
	}
}

func TestFailedMessageIsDelayed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		url  string
		want bool
	}{{"with the source's queue", "http://queue/jobs", true}, {"without", "", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(config *Config, clients *Clients) {
				config.SourceQueueURL = c.url
				clients.Step = func(context.Context, schema.Order) error { return errAgain }
			})
			back := f.deliver(t, message{ID: "m", Attempt: 3, Type: schema.TypeOrderProcessing, Data: schema.OrderProcessing{Email: "ada@example.com", ID: "1"}})
			if !slices.Equal(back, []string{"m"}) {
				t.Errorf("failed messages: got %q, want m", back)
			}
			if d := f.queues.delay("m"); (d > 0) != c.want {
				t.Errorf("delayed for %v, want some time: %v", d, c.want)
			}
		})
	}
}

// TestWholeBatchFailureIsFunctionError covers the error that slows the polling
// down, with each message still delayed. A single failed message does not slow
// it down.
func TestWholeBatchFailureIsFunctionError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *Config, clients *Clients) {
		clients.Step = func(_ context.Context, o schema.Order) error {
			if o.ID == "good" {
				return nil
			}
			return errAgain
		}
	})
	order := func(id string) message {
		return message{ID: id, Type: schema.TypeOrderProcessing, Data: schema.OrderProcessing{Email: "ada@example.com", ID: id}}
	}
	for _, some := range [][]message{{order("alone")}, {order("bad"), order("good")}} {
		if back := f.deliver(t, some...); !slices.Equal(back, []string{some[0].ID}) {
			t.Errorf("failed messages: got %q, want %s", back, some[0].ID)
		}
	}
	_, err := f.invoke(t.Context(), order("1"), order("2"))
	if failed, ok := errors.AsType[*pipeline.BatchFailedError](err); !ok || failed.Records != 2 || !errors.Is(err, errAgain) {
		t.Errorf("got %v, want a *pipeline.BatchFailedError of two", err)
	}
	for _, id := range []string{"1", "2"} {
		if d := f.queues.delay(id); d < 8*time.Second || d > 15*time.Second {
			t.Errorf("message %s is delayed for %v, want 8 to 15 s", id, d)
		}
	}
}

func TestWorkerRejectsEventOfAnotherSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if _, err := f.Invoke(t.Context(), []byte(`{"Records":[{"eventSource":"aws:dynamodb"}]}`)); err == nil {
		t.Error("stream event: got no error, want one")
	}
}

func TestChangeHasTheTimeOfItsCause(t *testing.T) {
	t.Parallel()
	r := pipeline.Record{Cause: "c", At: morning}
	if got := change(t.Context(), r, "ready"); got != (schema.Change{Status: "ready", Cause: "c", At: morning}) {
		t.Errorf("got %+v, want the record's time", got)
	}
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.Record{Cause: "c"}
		if got := change(t.Context(), r, "ready").At; !got.Equal(time.Now()) {
			t.Errorf("a record without a time: got %v, want now", got)
		}
	})
	f := newFixture(t, nil)
	when := morning.Add(-time.Hour).Add(1500 * time.Microsecond)
	f.done(t, message{ID: "m", Time: when, Type: schema.TypeUserRegistration, Data: schema.UserRegistration{Email: "ada@example.com"}})
	f.want(t, schema.UserKey("ada@example.com"), map[string]any{"at": "2026-01-02T02:04:05.001Z", "cause": "m"})
}

// TestChangeCarriesHopsAndTrace checks that hops and trace go from the message to
// the record and stay only until the next change of the record.
func TestChangeCarriesHopsAndTrace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		key  pipeline.Key
		typ  string
		data any
	}{
		"user":  {schema.UserKey("ada@example.com"), schema.TypeUserRegistration, schema.UserRegistration{Email: "ada@example.com"}},
		"order": {schema.OrderKey("ada@example.com", "7"), schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ada@example.com", ID: "7"}},
		"image": {schema.ImageKey("b", "k"), schema.TypeImageRemoved, schema.ImageRemoved{Source: schema.Source{Bucket: "b", Key: "k"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.done(t, message{ID: "m1", Type: tt.typ, Data: tt.data, Hops: 3, Trace: "00-a-b-01"})
			f.want(t, tt.key, map[string]any{"cause": "m1", "hops": 3, "trace": "00-a-b-01"})
			f.set(t, tt.key, map[string]any{"status": map[string]string{"user": "pending", "order": "received", "image": "ready"}[name]})
			f.done(t, message{ID: "m2", Type: tt.typ, Data: tt.data})
			f.want(t, tt.key, map[string]any{"cause": "m2", "hops": nil, "trace": nil})
		})
	}
}
