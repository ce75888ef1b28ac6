package channels

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"golang.org/x/time/rate"

	"sluice/notify"
)

// IDHeader is the header of a mail that holds the notification's id. SES makes
// the Message-ID itself, a new one each time.
const IDHeader = "X-Notification-Id"

// SESClient is what SES uses of *sesv2.Client.
type SESClient interface {
	SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
}

// SES is a notify.Channel that sends plain-text mails to the one address that is
// a notification's recipient. The mail says that a machine wrote it, and its id
// stands in IDHeader and in the message tag "notification".
//
// What SES finds wrong with the mail is a RejectedError. Too many mails, a quota
// that is used up and an account that may not send are a RetryAfterError. All
// else is tried again. SES knows no idempotency: a mail whose answer was lost is
// sent twice.
//
// It keeps below a rate: SES refuses what is above its own, and whoever sends on
// regardless sends most mails several times in vain. Safe for concurrent use.
type SES struct {
	client SESClient
	from   string
	turns  *rate.Limiter
}

// NewSES returns the channel that sends from the address from, with or without a
// name. It must be verified with SES. Nothing is asked of SES here. The channel
// sends at most perSecond mails a second, evenly; 0 has no limit.
func NewSES(client SESClient, from string, perSecond float64) (*SES, error) {
	a, err := notify.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("ses: from: %w", err)
	}
	limit := rate.Limit(perSecond)
	if perSecond <= 0 {
		limit = rate.Inf
	}
	return &SES{client: client, from: a.String(), turns: rate.NewLimiter(limit, 1)}, nil
}

// String names the channel.
func (s *SES) String() string { return "ses" }

// Send mails n. See [SES] for what its errors mean.
func (s *SES) Send(ctx context.Context, n notify.Notification) error {
	if err := checked(n); err != nil {
		return err
	}
	to, err := notify.ParseAddress(n.To)
	if err != nil {
		return &notify.RejectedError{Reason: "recipient", Err: err}
	}
	if err := s.turns.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("ses: %w", ctx.Err())
		}
		// Its turn is after the deadline, which is no fault of the mail's.
		return &notify.RetryAfterError{After: jittered(noTurn), Err: fmt.Errorf("ses: %w", err)}
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	utf8 := func(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
	id := safeID(n.ID)
	_, err = s.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &s.from,
		Destination:      &types.Destination{ToAddresses: []string{to.String()}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(n.Subject),
			Body:    &types.Body{Text: utf8(n.Body)},
			Headers: []types.MessageHeader{
				{Name: aws.String(IDHeader), Value: &id},
				{Name: aws.String("Auto-Submitted"), Value: aws.String("auto-generated")},
			},
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("notification"), Value: &id}},
	})
	if err != nil {
		return judge("ses", err, sesVerdict(err))
	}
	return nil
}

func sesVerdict(err error) verdict {
	code, status := said(err)
	switch code {
	case "MessageRejected", "BadRequestException":
		return verdict{rejected: true}
	case "LimitExceededException", "SendingPausedException", "AccountSuspendedException":
		return verdict{wait: closed}
	}
	if isThrottled(code, status) {
		return verdict{wait: jittered(throttled)}
	}
	return verdict{}
}
