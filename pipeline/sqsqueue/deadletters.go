package sqsqueue

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline"
)

// MaxLetterBody is the largest body that a letter holds itself.
const MaxLetterBody = 200 << 10

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
	EncodingS3     = "s3" // the body is a LetterPointer
)

// maxReason bounds the reason of a letter, in bytes.
const maxReason = 4 << 10

// LetterPointer is the body of a letter whose own was too large.
type LetterPointer struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Bytes  int    `json:"bytes"`
}

// ObjectPutter is what DeadLetters uses of *s3.Client.
type ObjectPutter interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// DeadLetters writes letters to a queue. The body is the record's own, so that a
// redrive brings back what was sent, and the attributes tell reason, worker,
// attempts, time and origin. A body that a queue cannot hold is encoded as
// base64; one over 200 KB goes to Bucket and the letter points there.
type DeadLetters struct {
	Client  Client
	URL     string
	Objects ObjectPutter
	Bucket  string // "": a body over 200 KB is an error, so its record comes back
}

// Write is a pipeline.Options.DeadLetter.
func (d DeadLetters) Write(ctx context.Context, l pipeline.Letter) error {
	body, encoding, err := d.body(ctx, l)
	if err != nil {
		return err
	}
	attrs := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{
		AttrReason: strings.ReplaceAll(l.Reason.Error(), "\n", "; "), AttrWorker: l.Worker,
		AttrAttempts: strconv.Itoa(l.Record.Attempt), AttrTime: l.At.UTC().Format(time.RFC3339Nano),
		AttrID: l.Record.ID, AttrCause: l.Record.Cause, AttrSource: l.Record.Source,
		AttrEncoding: encoding, attrTrace: l.Record.Attrs[attrTrace],
	} {
		if value = clean(value, maxReason); value != "" { // SQS refuses empty values
			attrs[name] = text(value)
		}
	}
	in := &sqs.SendMessageInput{QueueUrl: &d.URL, MessageBody: &body, MessageAttributes: attrs}
	if strings.HasSuffix(d.URL, fifoSuffix) {
		in.MessageGroupId = aws.String(pipeline.DeriveID(l.Record.Source, l.Record.Group))
		in.MessageDeduplicationId = aws.String(pipeline.DeriveID(l.Record.ID))
	}
	if _, err := d.Client.SendMessage(ctx, in); err != nil {
		return fmt.Errorf("letter to %s: %w", d.URL, err)
	}
	return nil
}

func (d DeadLetters) body(ctx context.Context, l pipeline.Letter) (body, encoding string, err error) {
	raw := l.Record.Body
	switch {
	case len(raw) > MaxLetterBody && d.Bucket == "":
		return "", "", fmt.Errorf("letter to %s: a body of %d bytes is over %d, and there is no bucket for it", d.URL, len(raw), MaxLetterBody)
	case len(raw) > MaxLetterBody:
		p := LetterPointer{d.Bucket, "letters/" + l.Worker + "/" + pipeline.DeriveID(l.Record.Source, l.Record.Cause), len(raw)}
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

// sendable reports whether b holds only the characters that SQS takes: those of
// XML 1.0.
func sendable(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if !allowed(r) || r == utf8.RuneError && n == 1 {
			return false
		}
		b = b[n:]
	}
	return true
}

func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// clean makes s fit an attribute: characters that SQS takes, and no more than
// limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !allowed(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= limit {
		return s
	}
	s = s[:limit-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
