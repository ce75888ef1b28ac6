package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queueMapping returns a mapping with ReportBatchItemFailures. It cancels its
// polls, so that a test need not wait for them.
func queueMapping(q *fakeSQS, r *recorder) *QueueMapping {
	return &QueueMapping{
		Client: q, QueueURL: "http://localhost/jobs", QueueARN: standardARN,
		Function: r.Invoke, FunctionName: "messages", Timeout: 10 * time.Second, ReportBatchItemFailures: true,
		CancelPolls: true,
	}
}

func TestQueueValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*QueueMapping)
		fields string // that the error names, in order; "" means a valid mapping
	}{
		{"defaults", func(*QueueMapping) {}, ""},
		{"everything missing", func(m *QueueMapping) { *m = QueueMapping{} }, "Client QueueURL QueueARN Function FunctionName"},
		{"ARN of another service", func(m *QueueMapping) { m.QueueARN = "arn:aws:sns:eu-west-1:123456789012:jobs" }, "QueueARN"},
		{"shortest timeout", func(m *QueueMapping) { m.Timeout = time.Second }, ""},
		{"timeout under a second", func(m *QueueMapping) { m.Timeout = 999 * time.Millisecond }, "Timeout"},
		{"longest timeout", func(m *QueueMapping) { m.Timeout = 15 * time.Minute }, ""},
		{"timeout over 15 minutes", func(m *QueueMapping) { m.Timeout = 901 * time.Second }, "Timeout"},
		{"negative batch", func(m *QueueMapping) { m.BatchSize = -1 }, "BatchSize"},
		{"largest batch", func(m *QueueMapping) { m.BatchSize = 10 }, ""},
		{"batch over 10", func(m *QueueMapping) { m.BatchSize = 11 }, "BatchSize"},
		{"FIFO", func(m *QueueMapping) { m.QueueARN = fifoARN }, ""},
		{"concurrency of 1", func(m *QueueMapping) { m.MaxConcurrency = 1 }, "MaxConcurrency"},
		{"concurrency of 2", func(m *QueueMapping) { m.MaxConcurrency = 2 }, ""},
		{"concurrency of 1000", func(m *QueueMapping) { m.MaxConcurrency = 1000 }, ""},
		{"concurrency of 1001", func(m *QueueMapping) { m.MaxConcurrency = 1001 }, "MaxConcurrency"},
		{"negative limits", func(m *QueueMapping) { m.DrainLimit, m.MaxAbandoned, m.MaxAttempts = -1, -1, -1 }, "MaxAttempts DrainLimit MaxAbandoned"},
		{"several problems", func(m *QueueMapping) { m.BatchSize, m.MaxConcurrency, m.Timeout = 20, 1, time.Hour }, "BatchSize MaxConcurrency Timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := queueMapping(newFakeSQS(t, time.Minute), newRecorder(nil))
			tt.change(m)
			err := m.Validate()
			if got := fieldsOf(err); got != tt.fields {
				t.Errorf("fields: got %q (%v), want %q", got, err, tt.fields)
			}
			if tt.fields != "" {
				if run := m.Run(t.Context()); run == nil || run.Error() != err.Error() {
					t.Errorf("Run: got %v, want the error of Validate", run)
				}
			}
		})
	}
}

// fieldsOf returns the fields that an error of Validate names, in order.
func fieldsOf(err error) string {
	var names []string
	var walk func(error)
	walk = func(err error) {
		if f, ok := err.(*FieldError); ok {
			names = append(names, f.Field)
			return
		}
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	return strings.Join(names, " ")
}

func TestQueueRefusesATimeoutOverTheVisibilityTimeout(t *testing.T) {
	t.Parallel()
	m := queueMapping(newFakeSQS(t, 30*time.Second), newRecorder(nil))
	m.Timeout = 31 * time.Second
	err := m.Run(t.Context())
	if got, ok := errors.AsType[*VisibilityError](err); !ok || got.Visibility != 30*time.Second || got.Timeout != 31*time.Second {
		t.Fatalf("got %v, want a *VisibilityError", err)
	}
}

func TestQueueAllowsATimeoutEqualToTheVisibilityTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, 30*time.Second)
		q.send("x")
		m := queueMapping(q, newRecorder(nil))
		m.Timeout = 30 * time.Second
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if q.ids() != "" {
			t.Errorf("left %q", q.ids())
		}
	})
}

func TestQueueWarnsOfAShortVisibilityTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		visibility time.Duration
		warn       bool
	}{{60 * time.Second, false}, {59 * time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			var log logBuffer
			m := queueMapping(newFakeSQS(t, tt.visibility), newRecorder(nil))
			m.Logger = log.logger() // Timeout is 10 s
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			if got := strings.Contains(log.String(), "visibility timeout is short"); got != tt.warn {
				t.Errorf("visibility timeout %v: warned %t, want %t", tt.visibility, got, tt.warn)
			}
		})
	}
}

func TestQueueWarnsOfItsRedrivePolicy(t *testing.T) {
	t.Parallel()
	const dead = `"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead"`
	for _, tt := range []struct {
		policy   string
		attempts int
		want     string // "" means no warning
	}{
		{"", 0, "there is none"},
		{`{` + dead + `,"maxReceiveCount":5}`, 0, ""},
		{`{` + dead + `,"maxReceiveCount":"5"}`, 0, ""},
		{`{` + dead + `,"maxReceiveCount":4}`, 0, "maxReceiveCount is 4, 5 or more"},
		{`{` + dead + `,"maxReceiveCount":"4"}`, 3, "maxReceiveCount is 4, 5 or more"},
		{`{` + dead + `,"maxReceiveCount":9}`, 8, ""},
		{`{` + dead + `,"maxReceiveCount":8}`, 8, "maxReceiveCount is 8 and MaxAttempts 8"},
		{`{` + dead + `,"maxReceiveCount":7}`, 8, "maxReceiveCount is 7 and MaxAttempts 8"},
		{`{` + dead + `}`, 0, "want an object with maxReceiveCount"},
		{`{`, 0, "want an object with maxReceiveCount"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log logBuffer
			q := newFakeSQS(t, time.Hour)
			q.redrive = tt.policy
			m := queueMapping(q, newRecorder(nil))
			m.MaxAttempts, m.Logger = tt.attempts, log.logger()
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			warned := strings.Contains(log.String(), "redrive policy")
			if warned != (tt.want != "") || !strings.Contains(log.String(), tt.want) {
				t.Errorf("%s, %d attempts: log %q, want %q", tt.policy, tt.attempts, log.String(), tt.want)
			}
		})
	}
}

func TestQueueWithoutAttributesIsAnError(t *testing.T) {
	t.Parallel()
	err := queueMapping(newFakeSQS(t, 0), newRecorder(nil)).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), standardARN) {
		t.Fatalf("got %v, want an error that names the queue", err)
	}
}

func TestQueueDeletesTheMessagesThatSucceeded(t *testing.T) {
	t.Parallel()
	for _, tt := range responseCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Minute)
				q.send("1", "2", "3")
				var calls atomic.Int32
				r := newRecorder(func(context.Context, []string) (string, error) {
					if calls.Add(1) == 1 {
						return tt.response, nil
					}
					return "", nil
				})
				run := startMapping(t, queueMapping(q, r).Run)
				synctest.Wait()
				if got := q.ids(); got != tt.failed {
					t.Errorf("messages left: got %q, want %q", got, tt.failed)
				}
				// The messages that failed are received again when their
				// visibility timeout ends, together.
				time.Sleep(59 * time.Second)
				synctest.Wait()
				if got := r.ids(); got != "abc" {
					t.Errorf("events before the visibility timeout ends: got %q, want abc", got)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				want := strings.TrimSpace("abc " + tt.failed)
				if got := r.ids(); got != want {
					t.Errorf("events: got %q, want %q", got, want)
				}
				run.stopClean()
				if q.changes != 0 {
					t.Errorf("visibility changes: got %d, want none, as in Lambda", q.changes)
				}
				if got := q.ids(); got != "" {
					t.Errorf("messages left at the end: got %q, want none", got)
				}
			})
		})
	}
}

func TestQueueIgnoresTheResponseWithoutReportBatchItemFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range responseCases {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2", "3")
			r := newRecorder(func(context.Context, []string) (string, error) { return tt.response, nil })
			m := queueMapping(q, r)
			m.ReportBatchItemFailures = false
			run := startMapping(t, m.Run)
			synctest.Wait()
			if got := q.ids(); got != "" {
				t.Errorf("%s: got %q left, want all messages deleted", tt.name, got)
			}
			run.stopClean()
		})
	}
}

func TestQueueLeavesTheMessagesOfAFunctionError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail func(ctx context.Context) (string, error)
		log  string
	}{
		{"error", func(context.Context) (string, error) { return failures(), errors.New("no database") }, "no database"},
		{"panic", func(context.Context) (string, error) { panic("boom") }, "function panicked: boom"},
		{"panic with an error", func(context.Context) (string, error) { panic(errors.New("boom")) }, "function panicked: boom"},
		{"past its deadline", func(ctx context.Context) (string, error) { <-ctx.Done(); return failures(), nil }, "function timed out after 10s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				q := newFakeSQS(t, time.Minute)
				q.send("1", "2")
				var calls atomic.Int32
				r := newRecorder(func(ctx context.Context, _ []string) (string, error) {
					if calls.Add(1) == 1 {
						return tt.fail(ctx)
					}
					return failures(), nil
				})
				m := queueMapping(q, r)
				m.Logger = log.logger()
				run := startMapping(t, m.Run)
				time.Sleep(59 * time.Second)
				synctest.Wait()
				if got := q.ids(); got != "ab" {
					t.Errorf("messages left: got %q, want ab", got)
				}
				if got := q.find("a").received; got != 1 {
					t.Errorf("receives of a: got %d, want 1", got)
				}
				if !strings.Contains(log.String(), tt.log) {
					t.Errorf("log %q, want %q", log.String(), tt.log)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got := r.ids(); got != "ab ab" || q.ids() != "" {
					t.Errorf("got events %q and %q left, want the batch twice and none", got, q.ids())
				}
				run.stopClean()
			})
		})
	}
}

func TestQueueMovesAMessageToTheDLQByReceiveCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.maxReceive = 3
		q.send("x")
		r := newRecorder(func(context.Context, []string) (string, error) { return failures("a"), nil })
		run := startMapping(t, queueMapping(q, r).Run)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		run.stopClean()
		if r.count() != 3 || !slices.Equal(q.dead, []string{"a"}) {
			t.Errorf("got %d events and the dead letters %q, want 3 and a", r.count(), q.dead)
		}
	})
}

func TestQueueEventIsLambdas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.fifo = true
		q.sendGroup("g", `{"type":"<order>"}`)
		q.messages[0].attributes = map[string]types.MessageAttributeValue{
			"trace": {DataType: ptr("String"), StringValue: ptr("t1")},
			"blob":  {DataType: ptr("Binary"), BinaryValue: []byte{1, 2, 3}},
		}
		var payload []byte
		m := queueMapping(q, newRecorder(nil))
		m.QueueARN = fifoARN
		m.Function = func(_ context.Context, p []byte) ([]byte, error) { payload = p; return nil, nil }
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		const want = `{"Records":[{
			"messageId":"a",
			"receiptHandle":"a#1",
			"body":"{\"type\":\"<order>\"}",
			"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"946684800000","SenderId":"local",
				"ApproximateFirstReceiveTimestamp":"946684800000","MessageGroupId":"g"},
			"messageAttributes":{
				"trace":{"stringValue":"t1","stringListValues":[],"binaryListValues":[],"dataType":"String"},
				"blob":{"binaryValue":"AQID","stringListValues":[],"binaryListValues":[],"dataType":"Binary"}},
			"md5OfMessageAttributes":"0123456789abcdef0123456789abcdef",
			"md5OfBody":"bf1ad7452911021a4b49beae49152a64",
			"eventSource":"aws:sqs",
			"eventSourceARN":"arn:aws:sqs:eu-west-1:123456789012:jobs.fifo",
			"awsRegion":"eu-west-1"}]}`
		sameJSON(t, payload, want)
		if !strings.Contains(string(payload), `<order>`) {
			t.Errorf("event: got %s, want HTML characters without escapes", payload)
		}
	})
}

func TestQueueEventWithoutAttributes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.send("x")
		var payload []byte
		m := queueMapping(q, newRecorder(nil))
		m.Function = func(_ context.Context, p []byte) ([]byte, error) { payload = p; return nil, nil }
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if s := string(payload); !strings.Contains(s, `"messageAttributes":{}`) || strings.Contains(s, "md5OfMessageAttributes") {
			t.Errorf("event: got %s, want empty messageAttributes and no md5OfMessageAttributes", s)
		}
	})
}

func sameJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("got %s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("want: %v", err)
	}
	gt, _ := json.MarshalIndent(g, "", " ")
	wt, _ := json.MarshalIndent(w, "", " ")
	if string(gt) != string(wt) {
		t.Errorf("got %s\nwant %s", gt, wt)
	}
}

func ptr[T any](v T) *T { return &v }
