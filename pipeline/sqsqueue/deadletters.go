package sqsqueue

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline"
)

// MaxDeadLetterBody is the largest body that a letter holds itself.
const MaxDeadLetterBody = 200 << 10

// Attributes of a letter, all of them text.
const (
	AttrReason   = "sluice-reason"
	AttrWorker   = "sluice-worker"
	AttrAttempts = "sluice-attempts"
	AttrTime     = "sluice-time" // RFC 3339
	AttrID       = "sluice-id"
	AttrSource   = "sluice-source"
	AttrEncoding = "sluice-encoding" // absent: the body as it was; else one of the two below

	EncodingBase64 = "base64"
	EncodingS3     = "s3" // the body is a DeadLetterPointer
)

// DeadLetterPointer is the body of a letter whose own was too large.
type DeadLetterPointer struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Bytes  int    `json:"bytes"`
}

// DeadLetterStore is what DeadLetters uses of *s3.Client.
type DeadLetterStore interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// DeadLetters writes letters to a queue, and opens those that a redrive brings
// back. The body is the record's own, and the attributes tell reason, worker,
// attempts, time and origin. A body that a queue cannot hold is encoded as
// base64; one over 200 KB goes to Bucket and the letter points there. A redriven
// letter that fails again keeps its body, its encoding and its object.
//
// The sender's own attributes stay, as text, as far as there is room: a message
// has ten, and a letter needs up to nine itself. Which they are is told by
// their names, in order; binary ones are left out.
type DeadLetters struct {
	Client  Client
	URL     string
	Worker  string // whose letters Open opens
	Objects DeadLetterStore
	Bucket  string // "": a body over 200 KB is an error, so its record comes back
}

// Write is a pipeline.Options.DeadLetter.
func (d DeadLetters) Write(ctx context.Context, l pipeline.DeadLetter) error {
	body, encoding, err := d.body(ctx, l)
	if err != nil {
		return err
	}
	attrs := map[string]types.MessageAttributeValue{}
	if l.Record.Cause != "" {
		attrs[AttrCause] = text(causeText(l.Record.Cause))
	}
	for name, value := range map[string]string{
		AttrReason: strings.ReplaceAll(l.Reason.Error(), "\n", "; "), AttrWorker: l.Worker,
		AttrAttempts: strconv.Itoa(l.Record.Attempt), AttrTime: l.At.UTC().Format(time.RFC3339Nano),
		AttrID: l.Record.ID, AttrSource: l.Record.Source,
		AttrEncoding: encoding, attrTrace: l.Record.Attrs[attrTrace],
	} {
		if value = clean(value, maxAttr); value != "" { // SQS refuses empty values
			attrs[name] = text(value)
		}
	}
	addSenders(attrs, l.Record)
	in := &sqs.SendMessageInput{QueueUrl: &d.URL, MessageBody: &body, MessageAttributes: attrs}
	if strings.HasSuffix(d.URL, fifoSuffix) {
		in.MessageGroupId = aws.String(letterGroup(l.Record))
		in.MessageDeduplicationId = aws.String(pipeline.DeriveID(l.Record.ID))
	}
	if _, err := d.Client.SendMessage(ctx, in); err != nil {
		return fmt.Errorf("letter to %s: %w", d.URL, err)
	}
	return nil
}

// letterPrefix is where a worker's long letters lie.
func letterPrefix(worker string) string { return "letters/" + worker + "/" }

// maxAttributes is how many attributes SQS takes of a message.
const maxAttributes = 10

// addSenders adds to a letter's attributes those that the sender of its record
// gave it, as many as fit.
func addSenders(attrs map[string]types.MessageAttributeValue, r pipeline.Record) {
	if len(r.Attrs) == 0 || !strings.HasPrefix(r.Source, "arn:") || !strings.Contains(r.Source, ":sqs:") {
		return // of other sources they are the source's own
	}
	for _, name := range slices.Sorted(maps.Keys(r.Attrs)) {
		value := r.Attrs[name]
		switch {
		case len(attrs) == maxAttributes:
			return
		case queueAttributes[name], name == attrTrace, strings.HasPrefix(name, "sluice-"), value == "", !fits(value):
			continue
		}
		attrs[name] = text(value)
	}
}

// queueAttributes are the attributes of a record that SQS gave it, or Lambda.
var queueAttributes = map[string]bool{
	attrReceipt: true, attrGroup: true, "ApproximateFirstReceiveTimestamp": true, "ApproximateReceiveCount": true,
	"AWSTraceHeader": true, "DeadLetterQueueSourceArn": true, "MessageDeduplicationId": true, "SenderId": true,
	"SentTimestamp": true, "SequenceNumber": true,
}

// letterGroup is the group that the record had on its FIFO queue, so that a
// redrive brings it back into it.
func letterGroup(r pipeline.Record) string {
	if group := r.Attrs[attrGroup]; group != "" && strings.HasSuffix(r.Source, fifoSuffix) {
		return group
	}
	return pipeline.DeriveID(r.Source, r.Group)
}

func (d DeadLetters) body(ctx context.Context, l pipeline.DeadLetter) (body, encoding string, err error) {
	raw := l.Record.Body
	encoded := l.Record.Attrs[AttrEncoding]
	switch {
	case encoded != "" && len(raw) > 0 && sendable(raw):
		return string(raw), encoded, nil // as it came: Open works on a copy
	case len(raw) > MaxDeadLetterBody && d.Bucket == "":
		return "", "", fmt.Errorf("letter to %s: a body of %d bytes is over %d, and there is no bucket for it", d.URL, len(raw), MaxDeadLetterBody)
	case len(raw) > MaxDeadLetterBody:
		// Two messages may have one cause and two bodies. A record that is written
		// again finds its own.
		p := DeadLetterPointer{d.Bucket, letterPrefix(l.Worker) + pipeline.DeriveID(l.Record.Source, l.Record.ID, l.Record.Cause), len(raw)}
		_, err := d.Objects.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &p.Bucket, Key: &p.Key, Body: bytes.NewReader(raw), ContentType: aws.String("application/octet-stream"),
		})
		if err != nil {
			return "", "", fmt.Errorf("letter's body to %s/%s: %w", p.Bucket, p.Key, err)
		}
		b, err := json.Marshal(p)
		return string(b), EncodingS3, err
	case len(raw) == 0 || !sendable(raw):
		// An empty body is sent as the base64 of nothing, with a padding that
		// decoders drop, for SQS wants one character at least.
		return base64.StdEncoding.EncodeToString(raw) + "\n", EncodingBase64, nil
	default:
		return string(raw), "", nil
	}
}
