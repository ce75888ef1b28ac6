package channels

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
	"sluice/pipeline"
)

// Attributes of a message that SNS publishes. Those without a value are left
// out.
const (
	AttrID      = "id" // the notification's: the same cause, the same id
	AttrRule    = "rule"
	AttrKey     = "key"
	AttrCause   = "cause"
	AttrAt      = "at"      // RFC 3339
	AttrSubject = "subject" // whole, where SNS would not take it as the subject
)

// maxSNSSubject is SNS's limit on a subject, in ASCII characters: below 100.
const maxSNSSubject = 99

// SNSClient is what SNS uses of *sns.Client.
type SNSClient interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// SNS is a notify.Channel that publishes to one topic. The body is the message;
// the notification's id is the attribute AttrID, by which a subscriber knows what
// it has seen before, and on a FIFO topic the deduplication id too. A
// notification has no recipient, or the topic's ARN.
//
// What SNS finds wrong with the message is a RejectedError, too many of them a
// RetryAfterError. All else is tried again: a topic that is missing or closed to
// us can be put right. Safe for concurrent use.
type SNS struct {
	client SNSClient
	topic  string
}

// TopicRegion is the region of a topic's ARN, where its client must look.
func TopicRegion(topicARN string) (string, error) {
	a, err := arn.Parse(topicARN)
	if err != nil || a.Service != "sns" || a.Region == "" || a.Resource == "" || strings.Contains(a.Resource, ":") {
		return "", fmt.Errorf("sns: %q is not a topic's ARN", topicARN)
	}
	return a.Region, nil
}

// NewSNS returns the channel of the topic. Nothing is asked of SNS here.
func NewSNS(client SNSClient, topicARN string) (*SNS, error) {
	if _, err := TopicRegion(topicARN); err != nil {
		return nil, err
	}
	return &SNS{client: client, topic: topicARN}, nil
}

// String names the topic.
func (s *SNS) String() string { return "sns " + s.topic }

// Send publishes n. See [SNS] for what its errors mean.
func (s *SNS) Send(ctx context.Context, n notify.Notification) error {
	if err := checked(n); err != nil {
		return err
	}
	if n.To != "" && n.To != s.topic {
		return &notify.RejectedError{Reason: fmt.Sprintf("recipient %q: this channel publishes to %s only", n.To, s.topic)}
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := s.client.Publish(ctx, s.message(n)); err != nil {
		return judge("sns", err, snsVerdict(err))
	}
	return nil
}

func (s *SNS) message(n notify.Notification) *sns.PublishInput {
	body := n.Body
	if body == "" { // SNS wants a message
		body = n.Subject
	}
	in := &sns.PublishInput{TopicArn: &s.topic, Message: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
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
	if strings.HasSuffix(s.topic, ".fifo") {
		in.MessageGroupId = aws.String(pipeline.DeriveID("notifications", n.Key))
		in.MessageDeduplicationId = aws.String(safeID(n.ID))
	}
	return in
}

// snsSubject is as much of a subject as SNS takes, and whether that is all of
// it: ASCII that begins with a letter, a digit or a mark.
func snsSubject(subject string) (short string, whole bool) {
	short = strings.TrimLeft(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, subject), " ")
	short = short[:min(len(short), maxSNSSubject)]
	return short, short == subject
}

// clean replaces the characters that no attribute may hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, s)
}

func snsVerdict(err error) verdict {
	code, status := said(err)
	switch code {
	case "InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException":
		return verdict{rejected: true}
	}
	if isThrottled(code, status) {
		return verdict{wait: jittered(throttled)}
	}
	return verdict{}
}
