package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/notify/sesnotify"
	"sluice/pipeline/tabletest"
	"sluice/workers/messages"
	"sluice/workers/setup"
)

// sesRate is the sending rate of a new SES account outside the sandbox, in
// mails per second.
const sesRate = 14

// strictSES accepts sesRate mails per second, with bursts of one second's
// worth, and refuses all others.
type strictSES struct {
	mu            sync.Mutex
	tokens        float64
	last          time.Time
	sent, refused int
}

func (s *strictSES) SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error) {
	time.Sleep(60 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.tokens, s.last = min(sesRate, s.tokens+now.Sub(s.last).Seconds()*sesRate), now
	if s.tokens < 1 {
		s.refused++
		return nil, &sestypes.TooManyRequestsException{}
	}
	s.tokens--
	s.sent++
	return &sesv2.SendEmailOutput{}, nil
}

// burstQueue is a queue and its dead-letter queue in memory.
type burstQueue struct {
	sqsClient
	mu         sync.Mutex
	visibility time.Duration
	receives   int // maxReceiveCount
	waiting    []*queued
	dead       int
}

type queued struct {
	id, body string
	receives int
	visible  time.Time
	done     bool
}

// sqsClient has the methods that the workers of this test do not call.
type sqsClient struct{}

func (sqsClient) SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	panic("unexpected call")
}

// SendMessage receives a dead letter.
func (q *burstQueue) SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead++
	return &sqs.SendMessageOutput{}, nil
}

func (q *burstQueue) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.waiting {
		if m.id == *in.ReceiptHandle {
			m.visible = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
		}
	}
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// receive receives up to n visible messages. left is the number of all
// remaining messages.
func (q *burstQueue) receive(n int) (batch []*queued, left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.waiting[:0]
	for _, m := range q.waiting {
		if m.done {
			continue
		}
		if len(batch) < n && !m.visible.After(time.Now()) {
			if m.receives == q.receives {
				q.dead++
				continue
			}
			m.receives++
			m.visible = time.Now().Add(q.visibility)
			batch = append(batch, m)
		}
		kept = append(kept, m)
	}
	q.waiting = kept
	return batch, len(kept)
}

// settle deletes the messages that the response does not name as failed.
func (q *burstQueue) settle(batch []*queued, response []byte) error {
	var failed struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(response, &failed); err != nil {
		return err
	}
	again := map[string]bool{}
	for _, f := range failed.BatchItemFailures {
		again[f.ItemIdentifier] = true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range batch {
		m.done = !again[m.id]
	}
	return nil
}

// batchEvent returns the SQS event of a batch.
func batchEvent(batch []*queued) []byte {
	records := []any{}
	for _, m := range batch {
		records = append(records, map[string]any{
			"messageId": m.id, "receiptHandle": m.id, "body": m.body, "eventSource": "aws:sqs", "awsRegion": region,
			"eventSourceARN": "arn:aws:sqs:" + region + ":" + account + ":notifications",
			"attributes":     map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": "946684800000"},
		})
	}
	b, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		panic(err)
	}
	return b
}

// TestBurstOfMailsStaysBelowSESRate sends a burst of mails through the
// notifications function, with the template's settings, to an SES account with
// the initial rate: every mail is sent once, and SES refuses at most one in a
// hundred.
func TestBurstOfMailsStaysBelowSESRate(t *testing.T) {
	t.Parallel()
	s := deploy(t, map[string]string{"SesFrom": "news@example.com"})
	config, err := setup.Read[messages.Config](s.environ(lambda("Notifications")))
	if err != nil {
		t.Fatal(err)
	}
	mapping, queue := s.Resources["NotificationsMapping"].Properties, s.Resources["NotificationsQueue"].Properties
	concurrency := number(get(mapping, "ScalingConfig", "MaximumConcurrency"))
	if config.SESRate <= 0 || config.SESRate*float64(concurrency) > sesRate {
		t.Errorf("got %d invocations of %v mails per second each, want at most %d in all", concurrency, config.SESRate, sesRate)
	}
	synctest.Test(t, func(t *testing.T) {
		const mails = 5000
		service := &strictSES{last: time.Now()}
		q := &burstQueue{visibility: time.Duration(number(queue["VisibilityTimeout"])) * time.Second, receives: number(get(queue, "RedrivePolicy", "maxReceiveCount"))}
		for i := range mails {
			id := fmt.Sprint("m", i)
			q.waiting = append(q.waiting, &queued{id: id, body: fmt.Sprintf(`{"id":%q,"type":"email-notification","data":{"to":"ann@example.com","subject":"s","body":"b"}}`, id)})
		}
		state := new(tabletest.Memory)
		began := time.Now()
		var running sync.WaitGroup
		for range concurrency {
			ch, err := sesnotify.New(service, config.SESFrom, config.SESRate) // one per process
			if err != nil {
				t.Fatal(err)
			}
			w, err := messages.Build(config, messages.Clients{
				Records: new(tabletest.Memory), State: state, SQS: q, Channels: notify.Channels{"email": ch},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() {
				for {
					batch, left := q.receive(number(mapping["BatchSize"]))
					if left == 0 {
						return
					}
					if len(batch) == 0 {
						time.Sleep(time.Second)
						continue
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					response, err := w.Invoke(ctx, batchEvent(batch))
					cancel()
					if err != nil {
						continue // the whole batch is received again
					}
					if err := q.settle(batch, response); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		running.Wait()
		t.Logf("%d sent, %d refused, %d dead, in %v", service.sent, service.refused, q.dead, time.Since(began).Round(time.Second))
		if service.sent != mails || q.dead != 0 || service.refused > mails/100 {
			t.Errorf("%d mails: got %d sent, %d refused, %d dead letters; want all sent, at most 1%% refused, no dead letter", mails, service.sent, service.refused, q.dead)
		}
	})
}
