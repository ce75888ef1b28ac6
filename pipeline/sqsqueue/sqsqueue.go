// Package sqsqueue sends messages to SQS, holds failed ones back, writes dead
// letters there, and opens those that come back.
package sqsqueue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	AttrCause    = "sluice-cause" // the idempotency key; it survives a redrive
	attrTrace    = "traceparent"
	attrReceipt  = "receiptHandle"  // in Record.Attrs, by lambdaevent
	attrGroup    = "MessageGroupId" // likewise
	fifoSuffix   = ".fifo"
	attrTypeText = "String"
)

// A Queue sends to one queue. Safe for concurrent use.
type Queue struct {
	Client Client
	URL    string
}

// SendError names the messages of a batch that the queue refused.
type SendError struct {
	URL    string
	Failed []Refusal
}

// Refusal is a message that a queue did not take.
type Refusal struct {
	ID      string // the message's own
	Code    string // SQS's
	Reason  string
	ForGood bool // the queue will never take it: the message is at fault
}

func (e *SendError) Error() string {
	each := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		each[i] = fmt.Sprintf("message %q: %s: %s", f.ID, f.Code, f.Reason)
	}
	return fmt.Sprintf("send to %s: %d refused: %s", e.URL, len(e.Failed), strings.Join(each, "; "))
}

// Send puts all of ms on the queue, in batches. After an error some of them may
// have been sent: send all of them again, their ids tell who saw them. If one is
// over SQS's 1 MiB, or cannot be written, the error is Permanent and none is sent.
// It is Permanent too if the queue will never take some and has taken the others.
func (q Queue) Send(ctx context.Context, ms ...pipeline.Message) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(ms))
	sizes := make([]int, len(ms))
	for i, m := range ms {
		var err error
		if entries[i], sizes[i], err = q.entry(m); err != nil {
			return err
		}
	}
	refused := &SendError{URL: q.URL}
	for len(entries) > 0 {
		n, size := 0, 0
		for n < min(len(entries), maxBatch) && size+sizes[n] <= MaxMessageBytes {
			entries[n].Id = aws.String(strconv.Itoa(n))
			size += sizes[n]
			n++
		}
		failed, err := q.send(ctx, entries[:n], ms[:n])
		refused.Failed = append(refused.Failed, failed...)
		if err != nil || !refused.forGood() {
			return errors.Join(refused.orNil(), err)
		}
		entries, sizes, ms = entries[n:], sizes[n:], ms[n:]
	}
	if len(refused.Failed) > 0 {
		return pipeline.Permanent(refused)
	}
	return nil
}

// forGood says whether the queue will never take any of the refused.
func (e *SendError) forGood() bool {
	return !slices.ContainsFunc(e.Failed, func(r Refusal) bool { return !r.ForGood })
}

func (e *SendError) orNil() error {
	if len(e.Failed) == 0 {
		return nil
	}
	return e
}

// entry is m as SQS takes it, and the bytes that SQS counts of it.
func (q Queue) entry(m pipeline.Message) (types.SendMessageBatchRequestEntry, int, error) {
	var e types.SendMessageBatchRequestEntry
	body, err := json.Marshal(m)
	if err != nil {
		return e, 0, pipeline.Permanent(fmt.Errorf("send message %q: %w", m.ID, err))
	}
	e.MessageBody = aws.String(escapeJSON(body))
	e.MessageAttributes = map[string]types.MessageAttributeValue{AttrCause: text(causeText(m.ID))}
	if m.TraceParent != "" && fits(m.TraceParent) {
		e.MessageAttributes[attrTrace] = text(m.TraceParent)
	}
	size := len(*e.MessageBody)
	for name, a := range e.MessageAttributes {
		size += len(name) + len(attrTypeText) + len(*a.StringValue)
	}
	if size > MaxMessageBytes {
		return e, 0, pipeline.Permanentf("send message %q of type %q: %d bytes, the limit is %d", m.ID, m.Type, size, MaxMessageBytes)
	}
	if strings.HasSuffix(q.URL, fifoSuffix) {
		// A group's name may hold less than a subject does, so it is derived.
		e.MessageGroupId = aws.String(pipeline.DeriveID(cmp.Or(m.Subject, m.Type)))
		e.MessageDeduplicationId = aws.String(pipeline.DeriveID(m.ID))
	}
	return e, size, nil
}

// send puts one batch on the queue, entries made of ms, and returns what was
// refused.
func (q Queue) send(ctx context.Context, entries []types.SendMessageBatchRequestEntry, ms []pipeline.Message) ([]Refusal, error) {
	out, err := q.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", q.URL, err)
	}
	var refused []Refusal
	for _, f := range out.Failed {
		r := Refusal{ID: aws.ToString(f.Id), Code: aws.ToString(f.Code), Reason: aws.ToString(f.Message)}
		r.ForGood = (f.SenderFault || strings.Contains(r.Code, codeContents)) && !curable(r.Code)
		if i, err := strconv.Atoi(r.ID); err == nil && i >= 0 && i < len(ms) {
			r.ID = ms[i].ID
		}
		refused = append(refused, r)
	}
	return refused, nil
}

// codeContents is SQS's code for a message with characters that it does not take.
const codeContents = "InvalidMessageContents"

// curable says whether a code that SQS calls the sender's fault stands for
// something other than the message: too many calls, a right, a key or a queue
// that is missing. An operator can mend these, and they are tried again.
func curable(code string) bool {
	return slices.ContainsFunc([]string{
		"Throttl", "OverLimit", "AccessDenied", "Unauthorized", "Kms", "KMS", "Token", "Signature", "Security",
		"NonExistentQueue", "QueueDoesNotExist", "QueueDeletedRecently",
	}, func(part string) bool { return strings.Contains(code, part) })
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
		VisibilityTimeout: int32((min(d, maxVisibility) + time.Second - 1) / time.Second),
	})
	if err != nil {
		return fmt.Errorf("delay message %q by %v: %w", r.ID, d, err)
	}
	return nil
}

func text(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String(attrTypeText), StringValue: &s}
}
