package eventsource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource"
)

// A mapping polls a queue and invokes a function with batches of its messages,
// as Lambda does. The function reports the failure of one message, so the
// mapping deletes only the others.
func ExampleQueueMapping() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	m := &eventsource.QueueMapping{
		// sqs.NewFromConfig(cfg) returns a client of a real queue.
		Client:                  newMemoryQueue(stop, "cat.jpg", "dog.txt"),
		QueueURL:                "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
		QueueARN:                "arn:aws:sqs:eu-west-1:123456789012:jobs",
		Function:                resize,
		FunctionName:            "resize",
		Timeout:                 10 * time.Second,
		ReportBatchItemFailures: true,
	}
	if err := m.Run(ctx); err != nil { // until ctx ends
		fmt.Println(err)
	}
	// Output:
	// resize cat.jpg
	// resize dog.txt: not a picture
	// deleted message-0
}

// A mapping reads a change feed and invokes a function with its records in
// order. The checkpoint follows the records that are done.
func ExampleFeedMapping() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	m := &eventsource.FeedMapping{
		// streamfeed.New returns the feed of a DynamoDB stream, and leases.New
		// checkpoints that several copies share.
		Feed:        memoryFeed{"100", "101"},
		Checkpoints: &memoryCheckpoints{done: stop},
		Function: func(_ context.Context, payload []byte) ([]byte, error) {
			fmt.Printf("%s\n", payload)
			return nil, nil
		},
		FunctionName: "changes",
		BatchSize:    1,
		Timeout:      10 * time.Second,
	}
	if err := m.Run(ctx); err != nil { // until ctx ends
		fmt.Println(err)
	}
	// Output:
	// {"Records":[{"n":100}]}
	// checkpoint 100
	// {"Records":[{"n":101}]}
	// checkpoint 101
	// checkpoint SHARD_END
}

// memoryFeed is a feed with one closed shard whose records have these sequence
// numbers.
type memoryFeed []string

func (memoryFeed) ARN() string {
	return "arn:aws:dynamodb:eu-west-1:123456789012:table/records/stream/2026-01-01T00:00:00.000"
}

func (memoryFeed) Shards(context.Context) ([]eventsource.Shard, error) {
	return []eventsource.Shard{{ID: "shard-0"}}, nil
}

func (f memoryFeed) Read(_ context.Context, _, after string, limit int) (eventsource.Page, error) {
	first := slices.Index(f, after) + 1
	end := min(first+limit, len(f))
	page := eventsource.Page{End: end == len(f)}
	for _, n := range f[first:end] {
		page.Records = append(page.Records, eventsource.FeedRecord{Sequence: n, JSON: fmt.Appendf(nil, `{"n":%s}`, n)})
	}
	return page, nil
}

// memoryCheckpoints prints its checkpoints. It calls done at the end of the
// shard.
type memoryCheckpoints struct{ done func() }

func (*memoryCheckpoints) Load(context.Context, string) (string, error) { return "", nil }

func (c *memoryCheckpoints) Save(_ context.Context, _, after string) error {
	fmt.Println("checkpoint", after)
	if after == eventsource.ShardEnd {
		c.done()
	}
	return nil
}

// resize is a Lambda function. lambda.NewHandler(f).Invoke makes one of any
// handler.
func resize(_ context.Context, payload []byte) ([]byte, error) {
	var event struct {
		Records []struct{ MessageID, Body string }
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	type failure struct {
		ItemIdentifier string `json:"itemIdentifier"`
	}
	failures := []failure{}
	for _, r := range event.Records {
		if r.Body == "dog.txt" {
			fmt.Printf("resize %s: not a picture\n", r.Body)
			failures = append(failures, failure{r.MessageID})
			continue
		}
		fmt.Println("resize", r.Body)
	}
	return json.Marshal(map[string]any{"batchItemFailures": failures})
}

// memoryQueue is a queue in memory. It calls done when messages are deleted.
type memoryQueue struct {
	messages chan []types.Message
	done     func()
	closed   chan struct{}
}

func newMemoryQueue(done func(), bodies ...string) *memoryQueue {
	q := &memoryQueue{messages: make(chan []types.Message, 1), done: done, closed: make(chan struct{})}
	var messages []types.Message
	for i, body := range bodies {
		id := fmt.Sprint("message-", i)
		messages = append(messages, types.Message{MessageId: &id, ReceiptHandle: &id, Body: &body})
	}
	q.messages <- messages
	return q
}

func (q *memoryQueue) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	select {
	case messages := <-q.messages:
		return &sqs.ReceiveMessageOutput{Messages: messages}, nil
	case <-q.closed:
		return &sqs.ReceiveMessageOutput{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *memoryQueue) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	for _, e := range in.Entries {
		fmt.Println("deleted", aws.ToString(e.ReceiptHandle))
	}
	q.done()
	close(q.closed)
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (q *memoryQueue) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func (q *memoryQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": "60"}}, nil
}
