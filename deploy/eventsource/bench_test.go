package eventsource

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// endlessSQS is a queue that always has ten messages and never fails, so that
// the benchmark measures the mapping.
type endlessSQS struct {
	batch *sqs.ReceiveMessageOutput
	left  atomic.Int64 // messages to deliver
}

func (q *endlessSQS) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if q.left.Add(-10) < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return q.batch, nil
}

func (q *endlessSQS) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (q *endlessSQS) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func (q *endlessSQS) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": "360"}}, nil
}

// benchMessage is a message of 200 bytes with the attributes that SQS adds.
func benchMessage() types.Message {
	return types.Message{
		MessageId: aws.String("059f36b4-87a3-44ab-83d2-661975830a7d"), ReceiptHandle: aws.String(strings.Repeat("h", 100)),
		Body: aws.String(`{"type":"order-processing","data":"` + strings.Repeat("x", 163) + `"}`), MD5OfBody: aws.String(strings.Repeat("0", 32)),
		Attributes: map[string]string{
			"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183",
			"SenderId": "local", "ApproximateFirstReceiveTimestamp": "1545082649185",
		},
	}
}

// BenchmarkQueueMapping measures a mapping per message, in batches of ten:
// receive, event, invocation, response, delete.
func BenchmarkQueueMapping(b *testing.B) {
	b.ReportAllocs()
	q := &endlessSQS{batch: &sqs.ReceiveMessageOutput{}}
	for range 10 {
		q.batch.Messages = append(q.batch.Messages, benchMessage())
	}
	q.left.Store(int64(b.N))
	ctx, stop := context.WithCancel(b.Context())
	var seen atomic.Int64
	response := []byte(`{"batchItemFailures":[]}`)
	m := &QueueMapping{
		Client: q, QueueURL: "http://localhost/jobs", QueueARN: standardARN, FunctionName: "jobs",
		ReportBatchItemFailures: true, CancelPolls: true, Timeout: time.Minute,
		Function: func(_ context.Context, payload []byte) ([]byte, error) {
			if len(payload) < 2000 {
				b.Errorf("event: got %d bytes, want at least 2000", len(payload))
			}
			if seen.Add(10) > int64(b.N)-10 {
				stop()
			}
			return response, nil
		},
	}
	if b.N < 10 {
		stop()
	}
	b.ResetTimer()
	if err := m.Run(ctx); err != nil {
		b.Fatal(err)
	}
}
