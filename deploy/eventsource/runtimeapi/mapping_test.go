package runtimeapi

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource"
)

// handedOut is a queue that gives the messages that a test hands it, and tells what is deleted.
type handedOut struct {
	messages chan types.Message
	deleted  chan string // receipt handles
}

func (q *handedOut) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	select {
	case m := <-q.messages:
		return &sqs.ReceiveMessageOutput{Messages: []types.Message{m}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *handedOut) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	for _, e := range in.Entries {
		q.deleted <- aws.ToString(e.ReceiptHandle)
	}
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (q *handedOut) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func (q *handedOut) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": "360"}}, nil
}

// TestMappingOverABinaryThatDies gives a message to a binary that dies on it: the message is not deleted, and when it comes
// again the mapping gives it to a new process.
func TestMappingOverABinaryThatDies(t *testing.T) {
	t.Parallel()
	is := map[string]func(error) bool{
		"exit once":  func(err error) bool { e, ok := errors.AsType[*ExitError](err); return ok && e.Code == 7 && !e.Idle },
		"panic once": func(err error) bool { e, ok := errors.AsType[*FunctionError](err); return ok && e.Message == "boom" },
		"hang once":  func(err error) bool { _, ok := errors.AsType[*TimeoutError](err); return ok },
	}
	for mode, died := range is {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			path, env := self(t, mode)
			pool := NewPool(path, append(env, markerVariable+"="+filepath.Join(t.TempDir(), "marker")), nil)
			t.Cleanup(pool.Close)
			q := &handedOut{messages: make(chan types.Message), deleted: make(chan string, 10)}
			invoked := make(chan error, 10)
			m := &eventsource.QueueMapping{
				Client: q, QueueURL: "http://localhost/jobs", QueueARN: "arn:aws:sqs:eu-west-1:123456789012:jobs",
				FunctionName: "jobs", Timeout: 5 * time.Second, MaxConcurrency: 2, ReportBatchItemFailures: true,
				CancelPolls: true, DrainLimit: 10 * time.Second,
				Function: func(ctx context.Context, payload []byte) ([]byte, error) {
					answer, err := pool.Invoke(ctx, payload)
					invoked <- err
					return answer, err
				},
				Backoff: func(int) time.Duration { return time.Millisecond },
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- m.Run(ctx) }()

			q.messages <- types.Message{MessageId: aws.String("a"), ReceiptHandle: aws.String("first"), Body: aws.String("x")}
			if err := <-invoked; !died(err) {
				t.Errorf("first invocation: got %v", err)
			}
			q.messages <- types.Message{MessageId: aws.String("a"), ReceiptHandle: aws.String("second"), Body: aws.String("x")}
			if err := <-invoked; err != nil {
				t.Errorf("second invocation: got %v, want a new process", err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			close(q.deleted)
			if got := slices.Collect(func(yield func(string) bool) {
				for h := range q.deleted {
					if !yield(h) {
						return
					}
				}
			}); !slices.Equal(got, []string{"second"}) {
				t.Errorf("deleted %q, want the second receipt alone", got)
			}
		})
	}
}

func TestInvokeRefusesARequestOverTheLimit(t *testing.T) {
	t.Parallel()
	path, env := self(t, "echo")
	p := NewPool(path, env, nil)
	t.Cleanup(p.Close)
	payload := make([]byte, MaxRequestBytes+1)
	for i := range payload {
		payload[i] = '1'
	}
	_, err := p.Invoke(t.Context(), payload)
	if got, ok := errors.AsType[*RequestTooLargeError](err); !ok || got.Bytes != MaxRequestBytes+1 {
		t.Errorf("got %v, want a *RequestTooLargeError", err)
	}
	// The process lives on.
	invokeEcho(t, t.Context(), p.Invoke, `1`)
}
