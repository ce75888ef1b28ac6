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

// MaxDeadLetterBody is the largest body that a dead letter contains itself.
const MaxDeadLetterBody = 200 << 10

// Attributes of a dead letter. All are strings.
const (
	AttrReason   = "sluice-reason"
	AttrWorker   = "sluice-worker"
	AttrAttempts = "sluice-attempts"
	AttrTime     = "sluice-time" // RFC 3339
	AttrID       = "sluice-id"
	AttrSource   = "sluice-source"
	AttrEncoding = "sluice-encoding" // of the body; absent if it is not encoded

	EncodingBase64 = "base64"
	EncodingS3     = "s3" // the body is a DeadLetterPointer
)

// DeadLetterPointer is the body of a dead letter whose own body is in S3.
type DeadLetterPointer struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Bytes  int    `json:"bytes"`
}

// DeadLetterStore is the part of *s3.Client that DeadLetters uses.
type DeadLetterStore interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// DeadLetters writes dead letters to a queue and decodes redriven ones. The body
// is that of the record, and the attributes are its reason, worker, attempts,
// time and origin. A body that SQS does not accept is encoded as base64. One over
// 200 KB is stored in Bucket, and the dead letter points to it. A redriven dead
// letter that fails again keeps its body, its encoding and its object.
//
// The string attributes of the sender are kept while there is room, in the order
// of their names: a message has at most ten attributes, and a dead letter uses up
// to nine.
type DeadLetters struct {
	Client  Client
	URL     string
	Worker  string // the worker whose dead letters Open decodes
	Objects DeadLetterStore
	Bucket  string // "" makes a body over 200 KB an error, so the record is retried
}

// Write writes a dead letter. It is a pipeline.Options.DeadLetter.
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
		if value = clean(value, maxAttr); value != "" { // SQS rejects empty values
			attrs[name] = text(value)
		}
	}
	addSenderAttributes(attrs, l.Record)
	in := &sqs.SendMessageInput{QueueUrl: &d.URL, MessageBody: &body, MessageAttributes: attrs}
	if strings.HasSuffix(d.URL, fifoSuffix) {
		in.MessageGroupId = aws.String(deadLetterGroup(l.Record))
		in.MessageDeduplicationId = aws.String(pipeline.DeriveID(l.Record.ID))
	}
	if _, err := d.Client.SendMessage(ctx, in); err != nil {
		return fmt.Errorf("write dead letter to %s: %w", d.URL, err)
	}
	return nil
}

// objectPrefix is the prefix of the objects with the bodies of a worker.
func objectPrefix(worker string) string { return "letters/" + worker + "/" }

// maxAttributes is the limit of SQS on the attributes of a message.
const maxAttributes = 10

// addSenderAttributes adds the attributes of the record that its sender set, while
// there is room.
func addSenderAttributes(attrs map[string]types.MessageAttributeValue, r pipeline.Record) {
	if len(r.Attrs) == 0 || !strings.HasPrefix(r.Source, "arn:") || !strings.Contains(r.Source, ":sqs:") {
		return // other sources set all attributes themselves
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

// queueAttributes are the attributes of a record that SQS or Lambda set.
var queueAttributes = map[string]bool{
	attrReceipt: true, attrGroup: true, "ApproximateFirstReceiveTimestamp": true, "ApproximateReceiveCount": true,
	"AWSTraceHeader": true, "DeadLetterQueueSourceArn": true, "MessageDeduplicationId": true, "SenderId": true,
	"SentTimestamp": true, "SequenceNumber": true,
}

// deadLetterGroup returns the group of a record of a FIFO queue, so that a redrive
// returns it to the group.
func deadLetterGroup(r pipeline.Record) string {
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
		return string(raw), encoded, nil // still encoded, because Open changes a copy
	case len(raw) > MaxDeadLetterBody && d.Bucket == "":
		return "", "", fmt.Errorf("write dead letter to %s: got a body of %d bytes, want at most %d without a bucket", d.URL, len(raw), MaxDeadLetterBody)
	case len(raw) > MaxDeadLetterBody:
		// The key is the same when the record is written again. The cause alone is
		// not enough: messages of one cause may have different bodies.
		p := DeadLetterPointer{d.Bucket, objectPrefix(l.Worker) + pipeline.DeriveID(l.Record.Source, l.Record.ID, l.Record.Cause), len(raw)}
		_, err := d.Objects.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &p.Bucket, Key: &p.Key, Body: bytes.NewReader(raw), ContentType: aws.String("application/octet-stream"),
		})
		if err != nil {
			return "", "", fmt.Errorf("write dead letter body to %s/%s: %w", p.Bucket, p.Key, err)
		}
		b, err := json.Marshal(p)
		return string(b), EncodingS3, err
	case len(raw) == 0 || !sendable(raw):
		// SQS wants at least one character, so the base64 of an empty body gets a
		// line break, which decoders ignore.
		return base64.StdEncoding.EncodeToString(raw) + "\n", EncodingBase64, nil
	default:
		return string(raw), "", nil
	}
}
