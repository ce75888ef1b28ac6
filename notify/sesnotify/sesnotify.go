// Package sesnotify provides a notification channel that sends e-mail through
// Amazon SES.
package sesnotify

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"golang.org/x/time/rate"

	"sluice/notify"
	"sluice/notify/internal/awsnotify"
)

// IDHeader is the mail header that holds the notification's ID. The Message-ID
// cannot carry it: SES generates a new one for each mail.
const IDHeader = "X-Notification-Id"

// rateWait is the delay before a mail is sent again for which the rate left no
// time before the deadline.
const rateWait = 5 * time.Second

var codes = awsnotify.Codes{
	Rejected: []string{"MessageRejected", "BadRequestException"},
	Closed:   []string{"LimitExceededException", "SendingPausedException", "AccountSuspendedException"},
}

// Client is the part of *sesv2.Client that a Channel uses.
type Client interface {
	SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
}

// Channel is a notify.Channel that sends plain-text mails to the one address in
// a notification's To. Each mail has the header "Auto-Submitted:
// auto-generated". The notification's ID is in IDHeader and in the message tag
// "notification".
//
// A mail that SES rejects is a RejectedError. A throttled request, an exhausted
// quota and a suspended account are a RetryAfterError. Any other error is
// retried. SES has no idempotency token: a mail whose response was lost is sent
// twice.
//
// A Channel stays below its rate, because SES throttles what exceeds the
// account's. It is safe for concurrent use.
type Channel struct {
	client  Client
	from    string
	limiter *rate.Limiter
}

// New returns a channel that sends from the address from, with or without a
// display name. SES must have verified the address; New makes no request. The
// channel sends at most perSecond mails a second, evenly; 0 means no limit.
func New(client Client, from string, perSecond float64) (*Channel, error) {
	a, err := notify.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("ses: from: %w", err)
	}
	limit := rate.Limit(perSecond)
	if perSecond <= 0 {
		limit = rate.Inf
	}
	return &Channel{client: client, from: a.String(), limiter: rate.NewLimiter(limit, 1)}, nil
}

// String returns "ses".
func (c *Channel) String() string { return "ses" }

// Send mails n. The documentation of [Channel] lists its errors.
func (c *Channel) Send(ctx context.Context, n notify.Notification) error {
	if err := awsnotify.Validate(n); err != nil {
		return err
	}
	to, err := notify.ParseAddress(n.To)
	if err != nil {
		return &notify.RejectedError{Reason: "recipient", Err: err}
	}
	if err := c.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("ses: %w", ctx.Err())
		}
		// The rate allows this mail only after the deadline, which is not a
		// failure of the mail.
		return &notify.RetryAfterError{After: awsnotify.Jitter(rateWait), Err: fmt.Errorf("ses: %w", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, awsnotify.Timeout)
	defer cancel()
	if _, err := c.client.SendEmail(ctx, c.email(n, to.String())); err != nil {
		return codes.Error("ses", err)
	}
	return nil
}

func (c *Channel) email(n notify.Notification, to string) *sesv2.SendEmailInput {
	utf8 := func(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
	id := awsnotify.SafeID(n.ID)
	return &sesv2.SendEmailInput{
		FromEmailAddress: &c.from,
		Destination:      &types.Destination{ToAddresses: []string{to}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(n.Subject),
			Body:    &types.Body{Text: utf8(n.Body)},
			Headers: []types.MessageHeader{
				{Name: aws.String(IDHeader), Value: &id},
				{Name: aws.String("Auto-Submitted"), Value: aws.String("auto-generated")},
			},
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("notification"), Value: &id}},
	}
}
