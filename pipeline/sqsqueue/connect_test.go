package sqsqueue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/pipeline/sqsqueue"
)

func TestConnectSendsNoMessage(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	if err := q.Connect(t.Context()); err != nil {
		t.Error(err)
	}
	if got := h.receive(q.URL); len(got) != 0 {
		t.Errorf("got %d messages, want none", len(got))
	}
}

func TestConnectReportsThatSQSDoesNotRespond(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	h.respond = func(in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
		if len(in.Entries) != 0 {
			t.Errorf("got %d entries, want none", len(in.Entries))
		}
		return nil, errors.New("no route to host")
	}
	if err := q.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), q.URL) {
		t.Errorf("got %v, want an error that names the queue", err)
	}
}
