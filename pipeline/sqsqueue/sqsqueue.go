// Package sqsqueue sends messages to SQS, holds failed ones back, and writes
// dead letters there.
package sqsqueue

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline"
)

// Client is what this package uses of *sqs.Client.
type Client interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
}

const (
	// MaxMessageBytes is SQS's limit on a message, and on a batch of them.
	MaxMessageBytes = 1 << 20
	maxBatch        = 10
	// maxVisibility stands an hour below SQS's 12 hours from the receive: past
	// that a change is refused, not clipped.
	maxVisibility = 11 * time.Hour
)

// Names of the message attributes that are ours.
const (
	AttrCause     = "sluice-cause" // the idempotency key; it survives a redrive
	attrTrace     = "traceparent"
	attrReceipt   = "receiptHandle" // in Record.Attrs, by lambdaevent
	fifoSuffix    = ".fifo"
	attrTypeText  = "String"
	attrSizeGuess = 256 // name, type and value of an attribute, roughly
)

// A Queue sends to one queue. Safe for concurrent use.
type Queue struct {
	Client Client
	URL    string
}

// SendError names the messages of a batch that the queue refused.
type SendError struct {
	URL    string
	Failed []string // "id: code: reason"
}

func (e *SendError) Error() string {
	return fmt.Sprintf("send to %s: %d refused: %s", e.URL, len(e.Failed), strings.Join(e.Failed, "; "))
}

// Send puts all of ms on the queue, in batches. After an error some of them may
// have been sent: send all of them again, their ids tell who saw them. A message
// over SQS's 1 MiB is Permanent.
func (q Queue) Send(ctx context.Context, ms ...pipeline.Message) error {
	var batch []types.SendMessageBatchRequestEntry
	size := 0
	for _, m := range ms {
		e, n, err := q.entry(m)
		if err != nil {
			return err
		}
		if len(batch) == maxBatch || size+n > MaxMessageBytes {
			if err := q.send(ctx, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		e.Id = aws.String(fmt.Sprint(len(batch)))
		batch, size = append(batch, e), size+n
	}
	return q.send(ctx, batch)
}

func (q Queue) entry(m pipeline.Message) (types.SendMessageBatchRequestEntry, int, error) {
	var e types.SendMessageBatchRequestEntry
	body, err := json.Marshal(m)
	if err != nil {
		return e, 0, pipeline.Permanent(fmt.Errorf("send message %q: %w", m.ID, err))
	}
	size := len(body) + attrSizeGuess + len(m.ID)
	if size > MaxMessageBytes {
		return e, 0, pipeline.Permanentf("send message %q of type %q: %d bytes, the limit is %d", m.ID, m.Type, size, MaxMessageBytes)
	}
	e.MessageBody = aws.String(string(body))
	e.MessageAttributes = map[string]types.MessageAttributeValue{AttrCause: text(m.ID)}
	if m.TraceParent != "" {
		e.MessageAttributes[attrTrace] = text(m.TraceParent)
	}
	if strings.HasSuffix(q.URL, fifoSuffix) {
		e.MessageGroupId = aws.String(cmp.Or(m.Subject, m.Type))
		e.MessageDeduplicationId = aws.String(pipeline.DeriveID(m.ID))
	}
	return e, size, nil
}

func (q Queue) send(ctx context.Context, batch []types.SendMessageBatchRequestEntry) error {
	if len(batch) == 0 {
		return nil
	}
	out, err := q.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: batch})
	if err != nil {
		return fmt.Errorf("send to %s: %w", q.URL, err)
	}
	if len(out.Failed) == 0 {
		return nil
	}
	refused := &SendError{URL: q.URL}
	for _, f := range out.Failed {
		refused.Failed = append(refused.Failed, fmt.Sprintf("%s: %s: %s", aws.ToString(f.Id), aws.ToString(f.Code), aws.ToString(f.Message)))
	}
	return refused
}

// Delay holds r, a message that was received from the queue, back for d, at
// most 11 hours. It is a pipeline.Options.Delay.
func (q Queue) Delay(ctx context.Context, r pipeline.Record, d time.Duration) error {
	receipt := r.Attrs[attrReceipt]
	if receipt == "" {
		return fmt.Errorf("delay message %q: it has no receipt handle", r.ID)
	}
	_, err := q.Client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl:          &q.URL,
		ReceiptHandle:     &receipt,
		VisibilityTimeout: int32(min(d+time.Second-1, maxVisibility) / time.Second),
	})
	if err != nil {
		return fmt.Errorf("delay message %q by %v: %w", r.ID, d, err)
	}
	return nil
}

func text(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String(attrTypeText), StringValue: &s}
}
