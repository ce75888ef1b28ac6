package sesnotify_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"sluice/notify"
	"sluice/notify/internal/awsnotify/awsnotifytest"
	"sluice/notify/sesnotify"
)

// instants is an SES that accepts every mail and records the time.
type instants struct {
	mu sync.Mutex
	at []time.Time
}

func (i *instants) SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.at = append(i.at, time.Now())
	return &sesv2.SendEmailOutput{}, nil
}

func TestSendsAtItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &instants{}
		ch, err := sesnotify.New(client, "news@example.com", 7)
		if err != nil {
			t.Fatal(err)
		}
		var senders sync.WaitGroup
		for i := range 70 {
			senders.Go(func() {
				n := awsnotifytest.Notification()
				n.ID, n.To = fmt.Sprint("n", i), "ann@example.com"
				if err := ch.Send(t.Context(), n); err != nil {
					t.Error(err)
				}
			})
		}
		senders.Wait()
		if took := client.at[69].Sub(client.at[0]); took < 69*time.Second/7-time.Millisecond || took > 10*time.Second {
			t.Errorf("70 mails at 7 a second: took %v", took)
		}
	})
}

// A mail that the rate allows only after the deadline is not sent, does not
// wait, and is retried later.
func TestMailBeyondTheDeadlineIsRetriedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &instants{}
		ch, err := sesnotify.New(client, "news@example.com", 0.01)
		if err != nil {
			t.Fatal(err)
		}
		n := awsnotifytest.Notification()
		n.To = "ann@example.com"
		if err := ch.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		err = ch.Send(ctx, n)
		later, ok := errors.AsType[*notify.RetryAfterError](err)
		if !ok || later.After < 5*time.Second || later.After > 7*time.Second || len(client.at) != 1 || time.Since(before) > 0 {
			t.Errorf("got %v after %v and %d mails, want a wait of 5 s", err, time.Since(before), len(client.at))
		}
	})
}

// Mails throttled in the same second are not retried in the same second.
func TestThrottledMailsWaitForDifferentTimes(t *testing.T) {
	t.Parallel()
	s := awsnotifytest.Start(t, 429, `{"message":"from the service"}`)
	s.Header = map[string][]string{"X-Amzn-ErrorType": {"TooManyRequestsException"}}
	ch := channel(t, s, "news@example.com")
	waits := map[time.Duration]bool{}
	for range 10 {
		n := awsnotifytest.Notification()
		n.To = "ann@example.com"
		if later, ok := errors.AsType[*notify.RetryAfterError](ch.Send(t.Context(), n)); ok {
			waits[later.After.Round(time.Second)] = true
		}
	}
	if len(waits) < 2 {
		t.Errorf("ten throttled mails wait %v, want different times", waits)
	}
}
