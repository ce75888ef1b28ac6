package aws_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/replay/harness"
)

// A call is one operation that a function called on AWS, with the resource
// names of the replay harness.
type call struct{ service, operation, resource string }

// A scenario is an event for calls that no recorded event causes.
type scenario struct {
	name     string
	function string
	event    []byte
	settings map[string]string
	refuse   func(call) bool // the calls that fail
}

// recordCalls replays every recorded event and the scenarios through their
// functions, and returns the calls of each function.
func recordCalls(ctx context.Context, scenarios []scenario) (map[string]map[call]bool, error) {
	calls := make(map[string]map[call]bool)
	for _, f := range lambdas {
		calls[f.name] = make(map[call]bool)
	}
	files, err := filepath.Glob("../../testdata/events/*/*.json")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".want.json") {
			continue
		}
		event, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if name := functionOf(file, event); name != "" { // not of a worker that the template lacks
			scenarios = append(scenarios, scenario{name: file, function: name, event: event})
		}
	}
	if len(scenarios) < 50 {
		return nil, fmt.Errorf("got %d events, want at least 50", len(scenarios))
	}
	for _, sc := range scenarios {
		if err := replay(ctx, sc, calls[sc.function]); err != nil {
			return nil, fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	return calls, nil
}

// functionOf returns the function of a recorded event: the one of the folder's
// worker whose queue the event names, or else the worker's first.
func functionOf(file string, event []byte) string {
	worker, name := filepath.Base(filepath.Dir(file)), ""
	for _, f := range lambdas {
		if f.Worker != worker {
			continue
		}
		if f.Source.Queue != "" && bytes.Contains(event, []byte(":"+f.Source.Queue+"\"")) {
			return f.name
		}
		name = cmp.Or(name, f.name)
	}
	return name
}

func replay(ctx context.Context, sc scenario, into map[call]bool) (err error) {
	r, err := harness.New(ctx, "../../testdata", sc.event)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for name, value := range sc.settings {
		r.Set(name, value)
	}
	var mu sync.Mutex
	r.Observe(func(service, operation, resource string) error {
		c := call{service, operation, resource}
		mu.Lock()
		defer mu.Unlock()
		into[c] = true
		if sc.refuse != nil && sc.refuse(c) {
			return errors.New("refused by the test")
		}
		return nil
	})
	invoke, err := r.Worker(lambda(sc.function).Worker, nil)
	if err != nil {
		return err
	}
	_, _ = invoke(ctx, sc.event) // only its calls count
	return nil
}

// event returns an SQS event with one message.
func event(queue, body string) []byte {
	b, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"messageId": "0b3f", "receiptHandle": "AQEB", "body": body, "eventSource": "aws:sqs", "awsRegion": region,
		"eventSourceARN": "arn:aws:sqs:" + region + ":" + account + ":" + queue,
		"attributes":     map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1767323045000"},
	}}})
	if err != nil {
		panic(err)
	}
	return b
}

// redriven returns an event with a redriven dead letter whose body is in the
// failures bucket.
func redriven(queue, worker string) []byte {
	pointer := `{"bucket":"failures","key":"letters/` + worker + `/` + strings.Repeat("0", 32) + `","bytes":204801}`
	return bytes.Replace(event(queue, pointer), []byte(`"messageId"`),
		[]byte(`"messageAttributes":{"sluice-encoding":{"stringValue":"s3","dataType":"String"}},"messageId"`), 1)
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../testdata/events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tooLong is no message, and longer than the body of a dead letter.
var tooLong = strings.Repeat("x", 201<<10)

func scenarios(t *testing.T) []scenario {
	t.Helper()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(failing.Close)
	refuse := func(operation string) func(call) bool { return func(c call) bool { return c.operation == operation } }
	oversized := bytes.Replace(recorded(t, "changes/unknown-attribute-type-in-one.json"), []byte(`"Keys"`), []byte(`"Long":"`+tooLong+`","Keys"`), -1)
	s3Event := func(key, version string) string {
		return `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.678Z",` +
			`"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"uploads"},"object":{"key":"` + key + `","sequencer":"0055AED6DCD90281E5","versionId":"` + version + `"}}}]}`
	}
	return []scenario{
		{name: "failed write of a thumbnail", function: "Uploads", event: recorded(t, "uploads/put-in-queue.json"), refuse: refuse("PutObject")},
		{name: "long dead letter of uploads", function: "Uploads", event: event("uploads", tooLong)},
		{name: "inbox file with a mail", function: "Uploads", event: recorded(t, "uploads/inbox-json.json"), settings: map[string]string{"INBOX_TYPES": "order-processing,email-notification"}},
		{name: "inbox file with a version id", function: "Uploads", event: event("uploads", s3Event("inbox/one.json", "v1"))},
		{name: "failed write of a record", function: "Jobs", event: recorded(t, "messages/image-processed.json"), refuse: refuse("PutItem")},
		{name: "failed order step", function: "Jobs", event: recorded(t, "messages/order-processing.json"), settings: map[string]string{"ORDER_ENDPOINT": failing.URL}},
		{name: "long dead letter of jobs", function: "Jobs", event: event("jobs", tooLong)},
		{name: "mail refused by SES", function: "Notifications", event: recorded(t, "messages/notification.json"), settings: map[string]string{"SES_FROM": "news@example.com"}, refuse: refuse("SendEmail")},
		{
			name: "failed SNS publish", function: "Notifications",
			event:    []byte(strings.NewReplacer(`\"email\"`, `\"sns\"`, `\"to\":\"ann@example.com\",`, "").Replace(string(recorded(t, "messages/notification.json")))),
			settings: map[string]string{"SNS_TOPIC_ARN": optional["SnsTopicArn"]}, refuse: refuse("Publish"),
		},
		{name: "long dead letter of notifications", function: "Notifications", event: event("notifications", tooLong)},
		{name: "long dead letter redriven to uploads", function: "Uploads", event: redriven("uploads", "uploads")},
		{name: "long dead letter redriven to jobs", function: "Jobs", event: redriven("jobs", "messages")},
		{name: "long dead letter redriven to notifications", function: "Notifications", event: redriven("notifications", "messages")},
		{name: "long dead letter of changes", function: "Changes", event: oversized},
	}
}

var allCalls struct {
	once  sync.Once
	calls map[string]map[call]bool
	err   error
}

// callsOf returns the calls of each function, recorded once for all tests.
func callsOf(t *testing.T) map[string]map[call]bool {
	t.Helper()
	allCalls.once.Do(func() { allCalls.calls, allCalls.err = recordCalls(t.Context(), scenarios(t)) })
	if allCalls.err != nil {
		t.Fatal(allCalls.err)
	}
	return allCalls.calls
}
