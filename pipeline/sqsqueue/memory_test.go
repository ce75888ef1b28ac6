package sqsqueue_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline/sqsqueue"
)

// memory is an SQS in memory that refuses what SQS refuses: batches and messages
// over 1 MiB, over ten entries or attributes, characters outside XML 1.0, empty
// bodies and values, bad entry, group and deduplication ids. It records requests.
// The local stack's server has the same rules, and its tests run this package
// against them through the SDK.
type memory struct {
	t *testing.T

	mu       sync.Mutex
	queues   map[string]*memoryQueue // by URL
	receipts int
	batches  [][]types.SendMessageBatchRequestEntry
	singles  []*sqs.SendMessageInput
	hidden   []int32 // seconds

	// respond may replace the response to a batch.
	respond func(*sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error)
	err     error // returned by SendMessage and ChangeMessageVisibility
}

type memoryQueue struct {
	fifo     bool
	waiting  []types.Message
	receipts map[string]bool
	seen     map[string]bool // deduplication ids
}

var _ sqsqueue.Client = (*memory)(nil)

func newMemory(t *testing.T) *memory {
	return &memory{t: t, queues: map[string]*memoryQueue{}}
}

// queue creates a queue, FIFO if its name says so, and returns its URL.
func (m *memory) queue(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	url := "http://sqs.test/000000000000/" + name
	m.queues[url] = &memoryQueue{fifo: strings.HasSuffix(name, ".fifo"), receipts: map[string]bool{}, seen: map[string]bool{}}
	return url
}

// receive returns every message of the queue that was not received before, in
// the order in which they were sent.
func (m *memory) receive(url string) []types.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queues[url]
	all := q.waiting
	q.waiting = nil
	for i := range all {
		m.receipts++
		all[i].ReceiptHandle = aws.String(fmt.Sprint("receipt-", m.receipts))
		q.receipts[*all[i].ReceiptHandle] = true
	}
	return all
}

func (m *memory) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, in.Entries)
	if m.respond != nil {
		if out, err := m.respond(in); out != nil || err != nil {
			return out, err
		}
	}
	q, ok := m.queues[*in.QueueUrl]
	ids, size := map[string]bool{}, 0
	switch {
	case !ok:
		return nil, &types.QueueDoesNotExist{}
	case len(in.Entries) == 0:
		return nil, &types.EmptyBatchRequest{}
	case len(in.Entries) > 10:
		return nil, &types.TooManyEntriesInBatchRequest{}
	}
	for _, e := range in.Entries {
		if !entryID.MatchString(*e.Id) || ids[*e.Id] {
			return nil, &types.InvalidBatchEntryId{Message: e.Id}
		}
		ids[*e.Id] = true
		size += messageBytes(*e.MessageBody, e.MessageAttributes)
	}
	if size > 1<<20 {
		return nil, &types.BatchRequestTooLong{}
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		if err := q.add(*e.MessageBody, e.MessageAttributes, e.MessageGroupId, e.MessageDeduplicationId); err != nil {
			return nil, err
		}
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (m *memory) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.singles = append(m.singles, in)
	if m.err != nil {
		return nil, m.err
	}
	q, ok := m.queues[*in.QueueUrl]
	if !ok {
		return nil, &types.QueueDoesNotExist{}
	}
	return &sqs.SendMessageOutput{}, q.add(*in.MessageBody, in.MessageAttributes, in.MessageGroupId, in.MessageDeduplicationId)
}

func (m *memory) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hidden = append(m.hidden, in.VisibilityTimeout)
	if m.err != nil {
		return nil, m.err
	}
	q, ok := m.queues[*in.QueueUrl]
	switch {
	case !ok:
		return nil, &types.QueueDoesNotExist{}
	case !q.receipts[*in.ReceiptHandle]:
		return nil, &types.ReceiptHandleIsInvalid{}
	case in.VisibilityTimeout < 0 || in.VisibilityTimeout > 43200:
		return nil, fmt.Errorf("visibility timeout of %d s", in.VisibilityTimeout)
	}
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

var (
	entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
	groupID = regexp.MustCompile("^[A-Za-z0-9!-/:-@[-`{-~]{1,128}$")
	// xmlText matches text of the characters that XML 1.0 allows.
	xmlText = regexp.MustCompile(`^[\t\n\r\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+$`)
)

func (q *memoryQueue) add(body string, attrs map[string]types.MessageAttributeValue, group, dedup *string) error {
	switch {
	case messageBytes(body, attrs) > 1<<20:
		return &types.BatchRequestTooLong{}
	case len(attrs) > 10:
		return fmt.Errorf("%d attributes", len(attrs))
	case !utf8.ValidString(body) || !xmlText.MatchString(body):
		return &types.InvalidMessageContents{}
	case q.fifo != (group != nil) || q.fifo != (dedup != nil):
		return fmt.Errorf("FIFO queue: %v, but group %v and deduplication id %v", q.fifo, group, dedup)
	case q.fifo && (!groupID.MatchString(*group) || !groupID.MatchString(*dedup)):
		return fmt.Errorf("group %q or deduplication id %q", *group, *dedup)
	}
	for name, a := range attrs {
		if value := aws.ToString(a.StringValue); !utf8.ValidString(value) || !xmlText.MatchString(value) || name == "" {
			return fmt.Errorf("attribute %q of %q", name, value)
		}
	}
	m := types.Message{MessageId: aws.String(fmt.Sprint("message-", len(q.receipts)+len(q.waiting))), Body: &body, MessageAttributes: attrs}
	if q.fifo {
		if q.seen[*dedup] {
			return nil
		}
		q.seen[*dedup] = true
		m.Attributes = map[string]string{"MessageGroupId": *group}
	}
	q.waiting = append(q.waiting, m)
	return nil
}

// messageBytes counts a message as SQS does.
func messageBytes(body string, attrs map[string]types.MessageAttributeValue) int {
	n := len(body)
	for name, a := range attrs {
		n += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
	}
	return n
}

// attrs returns the text attributes of a message.
func attrs(m types.Message) map[string]string {
	all := map[string]string{}
	for name, a := range m.MessageAttributes {
		all[name] = aws.ToString(a.StringValue)
	}
	return all
}
