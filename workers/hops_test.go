package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/sqsqueue"
	"sluice/pipeline/tabletest"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/schema"
)

const hopsTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// sentMessages records messages and the reasons of dead letters.
type sentMessages struct {
	mu       sync.Mutex
	messages []pipeline.Message
	reasons  []string
}

func (s *sentMessages) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range in.Entries {
		m, err := pipeline.DecodeMessage([]byte(*e.MessageBody))
		if err != nil {
			return nil, err
		}
		s.messages = append(s.messages, m)
	}
	return &sqs.SendMessageBatchOutput{}, nil
}

func (s *sentMessages) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons = append(s.reasons, *in.MessageAttributes[sqsqueue.AttrReason].StringValue)
	return &sqs.SendMessageOutput{}, nil
}

func (s *sentMessages) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	return nil, errors.New("nothing is to be delayed")
}

// echo is a channel whose receiver reacts to each notification with an order, as
// a program behind a webhook might.
type echo struct {
	t      *testing.T
	orders []pipeline.Message
}

func (e *echo) Send(ctx context.Context, n notify.Notification) error {
	id := fmt.Sprint(len(e.orders))
	m, err := pipeline.NewMessage(ctx, schema.TypeOrderProcessing, n.ID, schema.OrderProcessing{Email: "ann@example.com", ID: id})
	if err != nil {
		return err
	}
	m.Source = "echo"
	e.orders = append(e.orders, m)
	return nil
}

// TestLoopThroughTheTableEnds runs the loop message → record → change →
// notification → message. The record carries hops and trace.
func TestLoopThroughTheTableEnds(t *testing.T) {
	t.Parallel()
	queues, records, circle := &sentMessages{}, new(tabletest.Memory), &echo{t: t}
	jobs, err := messages.Build(messages.Config{
		RecordsTable: "records", StateTable: "state", SMTPSecurity: "starttls", DeadLetterQueueURL: "dead", MaxAttempts: 8, Parallel: 1, Reserve: 1,
	}, messages.Clients{Records: records, State: new(tabletest.Memory), SQS: queues, Channels: notify.Channels{"email": circle}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	follow, err := changes.Build(changes.Config{JobsQueueURL: "jobs", NotificationsQueueURL: "notifications", Parallel: 1, Reserve: 1},
		changes.Clients{SQS: queues}, nil)
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(m pipeline.Message) {
		t.Helper()
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		invoke(t, jobs.Invoke, map[string]any{
			"messageId": "id", "body": string(body), "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
		})
	}
	circle.orders = []pipeline.Message{{
		ID: "first", Type: schema.TypeOrderProcessing, Source: "test", TraceParent: hopsTrace, Data: json.RawMessage(`{"email":"ann@example.com","id":"0"}`),
	}}
	for n := 0; len(queues.reasons) == 0; n++ {
		if n > pipeline.MaxHops || n >= len(circle.orders) {
			t.Fatalf("after %d orders: got no dead letter and %d waiting orders, want a dead letter or one order", n, len(circle.orders)-n)
		}
		order := circle.orders[n]
		if order.Hops != 2*n || order.TraceParent != hopsTrace {
			t.Errorf("order %d: %d hops of trace %q, want %d of %q", n, order.Hops, order.TraceParent, 2*n, hopsTrace)
		}
		deliver(order)
		if len(queues.reasons) > 0 {
			break
		}
		invoke(t, follow.Invoke, changeTo(t, records, schema.OrderKey("ann@example.com", fmt.Sprint(n))))
		if len(queues.messages) != n+1 {
			t.Fatalf("order %d: %d notifications in all, want %d", n, len(queues.messages), n+1)
		}
		if told := queues.messages[n]; told.Hops != 2*n+1 || told.TraceParent != hopsTrace {
			t.Errorf("notification %d: %d hops of trace %q, want %d of %q", n, told.Hops, told.TraceParent, 2*n+1, hopsTrace)
		}
		deliver(queues.messages[n])
	}
	if want := `message "notification": got 17 hops, want at most 16: messages cause each other in a loop`; len(queues.reasons) != 1 || !strings.Contains(queues.reasons[0], want) {
		t.Errorf("dead letters: got %q, want one with %q", queues.reasons, want)
	}
}

// invoke invokes a worker with an event of one record, which must succeed.
func invoke(t *testing.T, f func(context.Context, []byte) ([]byte, error), record map[string]any) {
	t.Helper()
	payload, err := json.Marshal(map[string]any{"Records": []any{record}})
	if err != nil {
		t.Fatal(err)
	}
	response, err := f(t.Context(), payload)
	if err != nil || string(response) != `{"batchItemFailures":[]}` {
		t.Fatalf("got %s, %v", response, err)
	}
}

// changeTo returns the stream's record of an order that changed from processing
// to its current state in table.
func changeTo(t *testing.T, table pipeline.Table, k pipeline.Key) map[string]any {
	t.Helper()
	now, err := table.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	image := func(it pipeline.Item) json.RawMessage {
		attrs, err := dynamotable.Attributes(it)
		if err != nil {
			t.Fatal(err)
		}
		return imageJSON(t, attrs)
	}
	before := now
	before.Data = json.RawMessage(strings.Replace(string(now.Data), `"completed"`, `"processing"`, 1))
	return map[string]any{
		"eventID": "change of " + k.SK, "eventName": "MODIFY", "eventSource": "aws:dynamodb",
		"eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/records/stream/2026-01-02T03:04:05.678",
		"dynamodb": map[string]any{
			"ApproximateCreationDateTime": 1767323045, "SequenceNumber": "1", "StreamViewType": "NEW_AND_OLD_IMAGES",
			"Keys": imageJSON(t, map[string]types.AttributeValue{
				pipeline.AttrPK: &types.AttributeValueMemberS{Value: k.PK}, pipeline.AttrSK: &types.AttributeValueMemberS{Value: k.SK},
			}),
			"OldImage": image(before), "NewImage": image(now),
		},
	}
}

func imageJSON(t *testing.T, attrs map[string]types.AttributeValue) json.RawMessage {
	t.Helper()
	b, err := attributes.ImageJSON(attrs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
