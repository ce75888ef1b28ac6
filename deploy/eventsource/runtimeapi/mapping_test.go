package runtimeapi

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource"
)

// testQueue is a queue that delivers the messages of a test and reports the
// receipt handles that are deleted.
type testQueue struct {
	messages chan types.Message
	deleted  chan string // receipt handles
}

func (q *testQueue) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	select {
	case m := <-q.messages:
		return &sqs.ReceiveMessageOutput{Messages: []types.Message{m}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *testQueue) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	for _, e := range in.Entries {
		q.deleted <- aws.ToString(e.ReceiptHandle)
	}
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (q *testQueue) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func (q *testQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": "360"}}, nil
}

// TestMappingOverABinaryThatDies: a message whose process dies is not deleted,
// and the next invocation with it succeeds in a new process.
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
			env = append(env, markerVariable+"="+filepath.Join(t.TempDir(), "marker"))
			invoke := func(ctx context.Context, payload []byte, first bool) ([]byte, error) {
				p, err := Start(t.Context(), path, env, &Options{InitTimeout: time.Minute})
				if err != nil {
					return nil, err
				}
				t.Cleanup(p.Close)
				if first && mode == "hang once" {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
					defer cancel()
				}
				return p.Invoke(ctx, payload)
			}
			q := &testQueue{messages: make(chan types.Message), deleted: make(chan string, 10)}
			invoked := make(chan error, 10)
			var invocations atomic.Int32
			m := &eventsource.QueueMapping{
				Client: q, QueueURL: "http://localhost/jobs", QueueARN: "arn:aws:sqs:eu-west-1:123456789012:jobs",
				FunctionName: "jobs", Timeout: time.Minute, MaxConcurrency: 2, ReportBatchItemFailures: true,
				CancelPolls: true, DrainLimit: time.Minute,
				Function: func(ctx context.Context, payload []byte) ([]byte, error) {
					response, err := invoke(ctx, payload, invocations.Add(1) == 1)
					invoked <- err
					return response, err
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
				t.Errorf("second invocation: got %v, want no error", err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			close(q.deleted)
			var got []string
			for handle := range q.deleted {
				got = append(got, handle)
			}
			if !slices.Equal(got, []string{"second"}) {
				t.Errorf("deleted: got %q, want the second receipt handle", got)
			}
		})
	}
}
