package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/setup/runner"
)

// calls records the calls of a queue.
type calls struct {
	sqsqueue.Client
	delayed     []string // receipt handles
	deadLetters []string // bodies
}

func (c *calls) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	c.delayed = append(c.delayed, *in.ReceiptHandle)
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func (c *calls) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	c.deadLetters = append(c.deadLetters, *in.MessageBody)
	return &sqs.SendMessageOutput{}, nil
}

// messages is an event of n messages with the bodies m0, m1 and so on.
func messages(t *testing.T, n int) []byte {
	t.Helper()
	records := make([]map[string]any, n)
	for i := range records {
		records[i] = map[string]any{
			"messageId": fmt.Sprint("m", i), "receiptHandle": fmt.Sprint("r", i), "body": fmt.Sprint("m", i),
			"attributes":  map[string]string{"ApproximateReceiveCount": "1"},
			"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
		}
	}
	b, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newRunner(queue *calls, change func(*runner.Config)) *runner.Runner {
	c := runner.Config{
		Worker: "w", Kinds: []lambdaevent.Kind{lambdaevent.SQS, lambdaevent.S3}, Parallel: 1, MaxAttempts: 3,
		SQS: queue, SourceQueueURL: "http://sqs.test/1/source", DeadLetterQueueURL: "http://sqs.test/1/dead",
	}
	if change != nil {
		change(&c)
	}
	return runner.New(c, nil)
}

func TestRunFailsWhenTwoOrMoreMessagesAllFail(t *testing.T) {
	t.Parallel()
	for n, fails := range map[int]bool{0: false, 1: false, 2: true, 10: true} {
		r := newRunner(new(calls), nil)
		response, err := r.Run(t.Context(), messages(t, n), func(context.Context, pipeline.Record) error { return errors.New("down") })
		if (err != nil) != fails {
			t.Errorf("%d messages: got %s, %v, want an error: %v", n, response, err, fails)
		}
		if got := strings.Count(string(response), "itemIdentifier"); !fails && got != n {
			t.Errorf("%d messages: got %s, want each as failed", n, response)
		}
	}
}

func TestRunDelaysAFailedMessage(t *testing.T) {
	t.Parallel()
	failing := func(context.Context, pipeline.Record) error { return errors.New("down") }
	for want, change := range map[string]func(*runner.Config){
		"[r0]": nil,
		"[]":   func(c *runner.Config) { c.SourceQueueURL = "" },
	} {
		queue := new(calls)
		if _, err := newRunner(queue, change).Run(t.Context(), messages(t, 1), failing); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(queue.delayed); got != want {
			t.Errorf("delayed: got %s, want %s", got, want)
		}
	}
}

func TestRunDelaysNothingThatIsNotAMessage(t *testing.T) {
	t.Parallel()
	queue := new(calls)
	payload := []byte(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`)
	_, err := newRunner(queue, nil).Run(t.Context(), payload, func(context.Context, pipeline.Record) error {
		return pipeline.RetryAfter(errors.New("down"), 1)
	})
	if err == nil || len(queue.delayed) != 0 {
		t.Errorf("got %v and delays of %q, want an error and no delay", err, queue.delayed)
	}
}

func TestRunWritesDeadLetters(t *testing.T) {
	t.Parallel()
	permanent := func(context.Context, pipeline.Record) error { return pipeline.Permanent(errors.New("wrong")) }
	for _, tt := range []struct {
		name         string
		change       func(*runner.Config)
		dead, failed int
	}{
		{"a queue", nil, 1, 0},
		{"no queue", func(c *runner.Config) { c.DeadLetterQueueURL = "" }, 0, 1},
	} {
		queue := new(calls)
		response, err := newRunner(queue, tt.change).Run(t.Context(), messages(t, 1), permanent)
		if err != nil {
			t.Fatal(err)
		}
		if failed := strings.Count(string(response), "itemIdentifier"); len(queue.deadLetters) != tt.dead || failed != tt.failed {
			t.Errorf("%s: got %d dead letters and %s, want %d and %d failures", tt.name, len(queue.deadLetters), response, tt.dead, tt.failed)
		}
	}
}

func TestRunRefusesOtherKindsOfEvents(t *testing.T) {
	t.Parallel()
	r := newRunner(new(calls), nil)
	if _, err := r.Run(t.Context(), []byte(`{"Records":[{"eventSource":"aws:dynamodb"}]}`), nil); err == nil {
		t.Error("a change of a table: got no error")
	}
}

func TestRunRespondsToAWarmUpWithoutARecord(t *testing.T) {
	t.Parallel()
	queue, connected := new(calls), 0
	r := newRunner(queue, func(c *runner.Config) {
		c.Kinds = append(c.Kinds, lambdaevent.EventBridge)
		c.Connect = append(c.Connect, func(context.Context) error { connected++; return nil })
	})
	response, err := r.Run(t.Context(), []byte(`{"id":"1","source":"aws.events","detail-type":"Scheduled Event"}`), nil)
	if want := `{"statusCode":200,"body":"Warmed up"}`; err != nil || string(response) != want {
		t.Errorf("got %s, %v, want %s", response, err, want)
	}
	if connected != 1 || len(queue.deadLetters) != 0 {
		t.Errorf("got %d connects and %d dead letters, want 1 and none", connected, len(queue.deadLetters))
	}
}
