// Package sqsqueue sends messages to SQS, delays failed records, and writes dead
// letters and decodes redriven ones.
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

// Client is the part of *sqs.Client that the package uses.
type Client interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
}

const (
	// MaxMessageBytes is the limit of SQS on a message, and on a batch.
	MaxMessageBytes = 1 << 20
	maxBatch        = 10
	// maxVisibility is an hour below the limit of 12 hours after the receive. SQS
	// rejects a longer timeout.
	maxVisibility = 11 * time.Hour
)

// Names of message attributes and of Record.Attrs.
const (
	AttrCause    = "sluice-cause" // the idempotency key, also after a redrive
	attrTrace    = "traceparent"
	attrReceipt  = "receiptHandle"  // in Record.Attrs, set by lambdaevent
	attrGroup    = "MessageGroupId" // likewise
	fifoSuffix   = ".fifo"
	attrTypeText = "String"
)

// A Queue sends to one queue. It is safe for concurrent use.
type Queue struct {
	Client Client
	URL    string
}

// SendError reports the messages of a batch that SQS rejected.
type SendError struct {
	URL    string
	Failed []Rejection
}

// Rejection is a message that SQS rejected.
type Rejection struct {
	ID        string // of the message
	Code      string // of SQS
	Reason    string
	Permanent bool // the message is invalid, so retrying cannot fix it
}

func (e *SendError) Error() string {
	each := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		each[i] = fmt.Sprintf("message %q: %s: %s", f.ID, f.Code, f.Reason)
	}
	return fmt.Sprintf("send to %s: %d rejected: %s", e.URL, len(e.Failed), strings.Join(each, "; "))
}

// Send sends ms in batches. After an error some of them may have been sent; send
// all of them again, since their ids identify repeated ones. If a message exceeds
// 1 MiB or cannot be encoded, the error is Permanent and none is sent. The error
// is also Permanent if SQS rejected some as invalid and accepted all others.
func (q Queue) Send(ctx context.Context, ms ...pipeline.Message) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(ms))
	sizes := make([]int, len(ms))
	for i, m := range ms {
		var err error
		if entries[i], sizes[i], err = q.entry(m); err != nil {
			return err
		}
	}
	rejected := &SendError{URL: q.URL}
	for len(entries) > 0 {
		n, size := 0, 0
		for n < min(len(entries), maxBatch) && size+sizes[n] <= MaxMessageBytes {
			entries[n].Id = aws.String(strconv.Itoa(n))
			size += sizes[n]
			n++
		}
		failed, err := q.send(ctx, entries[:n], ms[:n])
		rejected.Failed = append(rejected.Failed, failed...)
		if err != nil || !rejected.permanent() {
			return errors.Join(rejected.orNil(), err)
		}
		entries, sizes, ms = entries[n:], sizes[n:], ms[n:]
	}
	if len(rejected.Failed) > 0 {
		return pipeline.Permanent(rejected)
	}
	return nil
}

// permanent reports whether every rejection is permanent.
func (e *SendError) permanent() bool {
	return !slices.ContainsFunc(e.Failed, func(r Rejection) bool { return !r.Permanent })
}

func (e *SendError) orNil() error {
	if len(e.Failed) == 0 {
		return nil
	}
	return e
}

// entry returns m as a batch entry, and its size as SQS counts it.
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
		return e, 0, pipeline.Permanentf("send message %q of type %q: got %d bytes, want at most %d", m.ID, m.Type, size, MaxMessageBytes)
	}
	if strings.HasSuffix(q.URL, fifoSuffix) {
		// A subject may have characters that a group id cannot, so the id is derived.
		e.MessageGroupId = aws.String(pipeline.DeriveID(cmp.Or(m.Subject, m.Type)))
		e.MessageDeduplicationId = aws.String(pipeline.DeriveID(m.ID))
	}
	return e, size, nil
}

// send sends one batch, the entries of ms, and returns the rejections.
func (q Queue) send(ctx context.Context, entries []types.SendMessageBatchRequestEntry, ms []pipeline.Message) ([]Rejection, error) {
	out, err := q.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", q.URL, err)
	}
	var rejected []Rejection
	for _, f := range out.Failed {
		r := Rejection{ID: aws.ToString(f.Id), Code: aws.ToString(f.Code), Reason: aws.ToString(f.Message)}
		r.Permanent = (f.SenderFault || strings.Contains(r.Code, codeContents)) && !retryable(r.Code)
		if i, err := strconv.Atoi(r.ID); err == nil && i >= 0 && i < len(ms) {
			r.ID = ms[i].ID
		}
		rejected = append(rejected, r)
	}
	return rejected, nil
}

// codeContents is the code for a message with characters that SQS does not accept.
const codeContents = "InvalidMessageContents"

// retryable reports whether code is about the request and not about the message:
// throttling, or a missing permission, key or queue. SQS marks these as the
// fault of the sender, but they pass or an operator can fix them.
func retryable(code string) bool {
	return slices.ContainsFunc([]string{
		"Throttl", "OverLimit", "AccessDenied", "Unauthorized", "Kms", "KMS", "Token", "Signature", "Security",
		"NonExistentQueue", "QueueDoesNotExist", "QueueDeletedRecently",
	}, func(part string) bool { return strings.Contains(code, part) })
}

// Delay hides r, a message received from the queue, for d, at most 11 hours. It is
// a pipeline.Options.Delay.
func (q Queue) Delay(ctx context.Context, r pipeline.Record, d time.Duration) error {
	receipt := r.Attrs[attrReceipt]
	if receipt == "" {
		return fmt.Errorf("delay message %q: receipt handle is missing", r.ID)
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
