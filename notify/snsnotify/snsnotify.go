// Package snsnotify provides a notification channel that publishes to an Amazon
// SNS topic.
package snsnotify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"sluice/notify"
	"sluice/notify/internal/awsnotify"
	"sluice/pipeline"
)

// Message attributes of a published notification. An attribute without a value
// is left out.
const (
	AttrID      = "id" // the notification's ID: the same cause has the same ID
	AttrRule    = "rule"
	AttrKey     = "key"
	AttrCause   = "cause"
	AttrAt      = "at"      // RFC 3339
	AttrSubject = "subject" // the whole subject, if SNS does not accept it as one
)

// maxSubject is SNS's limit on a subject: fewer than 100 ASCII characters.
const maxSubject = 99

var codes = awsnotify.Codes{
	Rejected: []string{"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException"},
}

// Client is the part of *sns.Client that a Channel uses.
type Client interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Channel is a notify.Channel that publishes to one topic. The notification's
// body is the message. Its ID is the attribute AttrID, which lets a subscriber
// recognize a repeated message; on a FIFO topic it is the deduplication ID as
// well. A notification's To must be empty or the topic's ARN.
//
// A message that SNS rejects is a RejectedError, a throttled request a
// RetryAfterError. Any other error is retried, since a missing topic or a
// missing permission can be corrected. A Channel is safe for concurrent use.
type Channel struct {
	client Client
	topic  string
}

// TopicRegion returns the region in a topic's ARN. A client for the topic must
// use that region.
func TopicRegion(topicARN string) (string, error) {
	a, err := arn.Parse(topicARN)
	if err != nil || a.Service != "sns" || a.Region == "" || a.Resource == "" || strings.Contains(a.Resource, ":") {
		return "", fmt.Errorf("sns: got %q, want a topic ARN such as arn:aws:sns:eu-west-1:123456789012:news", topicARN)
	}
	return a.Region, nil
}

// New returns the channel of a topic. It makes no request.
func New(client Client, topicARN string) (*Channel, error) {
	if _, err := TopicRegion(topicARN); err != nil {
		return nil, err
	}
	return &Channel{client: client, topic: topicARN}, nil
}

// String returns "sns" and the topic's ARN.
func (c *Channel) String() string { return "sns " + c.topic }

// Send publishes n. The documentation of [Channel] lists its errors.
func (c *Channel) Send(ctx context.Context, n notify.Notification) error {
	if err := awsnotify.Validate(n); err != nil {
		return err
	}
	if n.To != "" && n.To != c.topic {
		return &notify.RejectedError{Reason: fmt.Sprintf("recipient: got %q, want none or %s", n.To, c.topic)}
	}
	ctx, cancel := context.WithTimeout(ctx, awsnotify.Timeout)
	defer cancel()
	if _, err := c.client.Publish(ctx, c.message(n)); err != nil {
		return codes.Error("sns", err)
	}
	return nil
}

func (c *Channel) message(n notify.Notification) *sns.PublishInput {
	body := n.Body
	if body == "" { // SNS refuses an empty message
		body = n.Subject
	}
	in := &sns.PublishInput{TopicArn: &c.topic, Message: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
	subject, whole := snsSubject(n.Subject)
	if subject != "" {
		in.Subject = &subject
	}
	attrs := map[string]string{
		AttrID: n.ID, AttrRule: n.Rule, AttrKey: n.Key, AttrCause: n.Cause, AttrAt: n.At.UTC().Format(time.RFC3339Nano),
	}
	if !whole {
		attrs[AttrSubject] = n.Subject
	}
	for name, value := range attrs {
		if value != "" {
			in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(clean(value))}
		}
	}
	if strings.HasSuffix(c.topic, ".fifo") {
		in.MessageGroupId = aws.String(pipeline.DeriveID("notifications", n.Key))
		in.MessageDeduplicationId = aws.String(awsnotify.SafeID(n.ID))
	}
	return in
}

// snsSubject returns the part of a subject that SNS accepts, and whether that is
// all of it. SNS wants ASCII that begins with a letter, a digit or punctuation.
func snsSubject(subject string) (short string, whole bool) {
	short = strings.TrimLeft(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, subject), " ")
	short = short[:min(len(short), maxSubject)]
	return short, short == subject
}

// clean replaces the characters that SNS does not accept in an attribute.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, s)
}
