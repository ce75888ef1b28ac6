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

// queueMapping is a mapping that reports failures. It ends its polls with its context, so that a test ends there too.
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
		fields string // that are named, in the order of the error; "" is valid
	}{
		{"defaults", func(*QueueMapping) {}, ""},
		{"everything missing", func(m *QueueMapping) { *m = QueueMapping{} }, "Client QueueURL QueueARN Function FunctionName"},
		{"ARN of something else", func(m *QueueMapping) { m.QueueARN = "arn:aws:sns:eu-west-1:123456789012:jobs" }, "QueueARN"},
		{"shortest timeout", func(m *QueueMapping) { m.Timeout = time.Second }, ""},
		{"timeout under a second", func(m *QueueMapping) { m.Timeout = 999 * time.Millisecond }, "Timeout"},
		{"longest timeout", func(m *QueueMapping) { m.Timeout = 15 * time.Minute }, ""},
		{"timeout over 15 minutes", func(m *QueueMapping) { m.Timeout = 901 * time.Second }, "Timeout"},
		{"negative batch", func(m *QueueMapping) { m.BatchSize = -1 }, "BatchSize"},
		{"largest batch", func(m *QueueMapping) { m.BatchSize, m.Window = 10_000, time.Second }, ""},
		{"batch over 10,000", func(m *QueueMapping) { m.BatchSize, m.Window = 10_001, time.Second }, "BatchSize"},
		{"batch of 10 without a window", func(m *QueueMapping) { m.BatchSize = 10 }, ""},
		{"batch of 11 without a window", func(m *QueueMapping) { m.BatchSize = 11 }, "Window"},
		{"longest window", func(m *QueueMapping) { m.Window = 300 * time.Second }, ""},
		{"window over 300 s", func(m *QueueMapping) { m.Window = 301 * time.Second }, "Window"},
		{"window of half seconds", func(m *QueueMapping) { m.Window = 1500 * time.Millisecond }, "Window"},
		{"FIFO", func(m *QueueMapping) { m.QueueARN = fifoARN }, ""},
		{"FIFO batch of 11", func(m *QueueMapping) { m.QueueARN, m.BatchSize = fifoARN, 11 }, "BatchSize"},
		{"FIFO window", func(m *QueueMapping) { m.QueueARN, m.Window = fifoARN, time.Second }, "Window"},
		{"concurrency of 1", func(m *QueueMapping) { m.MaxConcurrency = 1 }, "MaxConcurrency"},
		{"concurrency of 2", func(m *QueueMapping) { m.MaxConcurrency = 2 }, ""},
		{"concurrency of 1000", func(m *QueueMapping) { m.MaxConcurrency = 1000 }, ""},
		{"concurrency of 1001", func(m *QueueMapping) { m.MaxConcurrency = 1001 }, "MaxConcurrency"},
		{"negative limits", func(m *QueueMapping) { m.DrainLimit, m.MaxAbandoned, m.MaxAttempts = -1, -1, -1 }, "MaxAttempts DrainLimit MaxAbandoned"},
		{"bad filter", func(m *QueueMapping) { m.Filters = []string{`{"body":["x"]}`, `{"body":[]}`} }, "Filters[1]"},
		{"11 filters", func(m *QueueMapping) { m.Filters = slices.Repeat([]string{`{"body":["x"]}`}, 11) }, "Filters"},
		{"filter on another key", func(m *QueueMapping) { m.Filters = []string{`{"messageId":["x"]}`} }, "Filters"},
		{"filter with or at the root", func(m *QueueMapping) {
			m.Filters = []string{`{"$or":[{"body":{"a":["x"]}},{"$or":[{"body":{"b":["y"]}},{"body":["z"]}]}]}`}
		}, ""},
		{"filter with another key behind or", func(m *QueueMapping) {
			m.Filters = []string{`{"$or":[{"body":{"a":["x"]}},{"$or":[{"body":["y"]},{"attributes":["z"]}]}]}`}
		}, "Filters"},
		{"filter with an unknown operator", func(m *QueueMapping) { m.Filters = []string{`{"body":{"a":[{"wildcard":"*"}]}}`} }, "Filters[0]"},
		{"several at once", func(m *QueueMapping) { m.BatchSize, m.MaxConcurrency, m.Timeout = 20, 1, time.Hour }, "Window MaxConcurrency Timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := queueMapping(newFakeSQS(t, time.Minute), newRecorder(nil))
			tt.change(m)
			err := m.Validate()
			if got := fieldsOf(err); got != tt.fields {
				t.Errorf("got %q (%v), want %q", got, err, tt.fields)
			}
			if tt.fields != "" {
				if run := m.Run(t.Context()); run == nil || run.Error() != err.Error() {
					t.Errorf("Run: got %v, want what Validate says", run)
				}
			}
		})
	}
}

// fieldsOf returns the fields that a Validate error names, in order.
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

func TestQueueRefusesATimeoutOverTheVisibility(t *testing.T) {
	t.Parallel()
	m := queueMapping(newFakeSQS(t, 30*time.Second), newRecorder(nil))
	m.Timeout = 31 * time.Second
	err := m.Run(t.Context())
	if got, ok := errors.AsType[*VisibilityError](err); !ok || got.Visibility != 30*time.Second || got.Timeout != 31*time.Second {
		t.Fatalf("got %v, want a *VisibilityError", err)
	}
}

func TestQueueAllowsATimeoutOfTheVisibility(t *testing.T) {
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

func TestQueueWarnsOfAShortVisibility(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		visibility time.Duration
		warn       bool
	}{{62 * time.Second, false}, {61 * time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			var log logBuffer
			m := queueMapping(newFakeSQS(t, tt.visibility), newRecorder(nil))
			m.Window, m.Logger = 2*time.Second, log.logger() // 6 x 10 s and 2 s
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			if got := strings.Contains(log.String(), "visibility timeout is short"); got != tt.warn {
				t.Errorf("visibility %v: warned %t, want %t", tt.visibility, got, tt.warn)
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
		want     string // "" warns of nothing
	}{
		{"", 0, "there is none"},
		{`{` + dead + `,"maxReceiveCount":5}`, 0, ""},
		{`{` + dead + `,"maxReceiveCount":"5"}`, 0, ""},
		{`{` + dead + `,"maxReceiveCount":4}`, 0, "maxReceiveCount is 4, 5 or more"},
		{`{` + dead + `,"maxReceiveCount":"4"}`, 3, "maxReceiveCount is 4, 5 or more"},
		{`{` + dead + `,"maxReceiveCount":9}`, 8, ""},
		{`{` + dead + `,"maxReceiveCount":8}`, 8, "maxReceiveCount is 8 and MaxAttempts 8"},
		{`{` + dead + `,"maxReceiveCount":7}`, 8, "maxReceiveCount is 7 and MaxAttempts 8"},
		{`{` + dead + `}`, 0, "cannot be read"},
		{`{`, 0, "cannot be read"},
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

func TestQueueThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	err := queueMapping(newFakeSQS(t, 0), newRecorder(nil)).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), standardARN) {
		t.Fatalf("got %v, want an error that names the queue", err)
	}
}

func TestQueueObeysTheAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range answerCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Minute)
				q.send("1", "2", "3")
				var calls atomic.Int32
				r := newRecorder(func(context.Context, []string) (string, error) {
					if calls.Add(1) == 1 {
						return tt.answer, nil
					}
					return "", nil
				})
				run := startMapping(t, queueMapping(q, r).Run)
				synctest.Wait()
				if got := q.ids(); got != tt.failed {
					t.Errorf("left in the queue: got %q, want %q", got, tt.failed)
				}
				// What failed comes back when its visibility ends, not earlier, together.
				time.Sleep(59 * time.Second)
				synctest.Wait()
				if got := r.ids(); got != "abc" {
					t.Errorf("before the visibility ends: events %q, want abc", got)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				want := strings.TrimSpace("abc " + tt.failed)
				if got := r.ids(); got != want {
					t.Errorf("events: got %q, want %q", got, want)
				}
				run.stopClean()
				if q.changes != 0 {
					t.Errorf("%d visibilities were changed, want none: Lambda does not", q.changes)
				}
				if got := q.ids(); got != "" {
					t.Errorf("left at the end: %q", got)
				}
			})
		})
	}
}

func TestQueueIgnoresTheAnswerWithoutReport(t *testing.T) {
	t.Parallel()
	for _, tt := range answerCases {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeSQS(t, time.Minute)
			q.send("1", "2", "3")
			r := newRecorder(func(context.Context, []string) (string, error) { return tt.answer, nil })
			m := queueMapping(q, r)
			m.ReportBatchItemFailures = false
			run := startMapping(t, m.Run)
			synctest.Wait()
			if got := q.ids(); got != "" {
				t.Errorf("%s: left %q, want everything deleted", tt.name, got)
			}
			run.stopClean()
		})
	}
}

func TestQueueFunctionThatFails(t *testing.T) {
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
					t.Errorf("left %q, want ab untouched", got)
				}
				if got := q.find("a").received; got != 1 {
					t.Errorf("received %d times, want 1", got)
				}
				if !strings.Contains(log.String(), tt.log) {
					t.Errorf("log %q, want %q", log.String(), tt.log)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got := r.ids(); got != "ab ab" || q.ids() != "" {
					t.Errorf("events %q, left %q; want the batch again and then nothing", got, q.ids())
				}
				run.stopClean()
			})
		})
	}
}

func TestQueueGivesUpOnAPoisonMessageByReceiveCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.maxReceive = 3
		q.send("poison")
		r := newRecorder(func(context.Context, []string) (string, error) { return failures("a"), nil })
		run := startMapping(t, queueMapping(q, r).Run)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		run.stopClean()
		if r.count() != 3 || !slices.Equal(q.dead, []string{"a"}) {
			t.Errorf("%d events, dead %q; want 3 and the dead-letter queue", r.count(), q.dead)
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
			t.Errorf("HTML characters are escaped in %s", payload)
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
			t.Errorf("got %s, want empty attributes and no digest of them", s)
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

func TestQueueFilterDeletesWhatDoesNotMatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute)
		q.send(`{"type":"order"}`, `{"type":"user"}`, `plain text`, `{"type":"order"}`)
		r := newRecorder(func(_ context.Context, ids []string) (string, error) { return failures(ids...), nil })
		m := queueMapping(q, r)
		m.Filters = []string{`{"body":{"type":["order"]}}`}
		run := startMapping(t, m.Run)
		synctest.Wait()
		if got := r.ids(); got != "ad" || q.ids() != "ad" {
			t.Errorf("events %q, left %q; want ad in both, the others deleted unseen", got, q.ids())
		}
		run.stopClean()
	})
}
