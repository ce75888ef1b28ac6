package eventsource

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	standardARN = "arn:aws:sqs:eu-west-1:123456789012:jobs"
	fifoARN     = "arn:aws:sqs:eu-west-1:123456789012:jobs.fifo"
)

// fakeSQS is a queue in memory with the rules of SQS: visibility timeouts,
// receive counts, receipt handles that expire, ordered groups, dead letters,
// long polls and batches of ten.
type fakeSQS struct {
	t          *testing.T
	visibility time.Duration
	fifo       bool
	maxReceive int // 0 means no dead-letter queue
	redrive    string

	// Faults. The functions are called with the queue locked.
	failReceive func() error
	failDelete  func(m *fakeMessage) *types.BatchResultErrorEntry
	failBatch   func() error // a whole DeleteMessageBatch
	deleteTakes time.Duration
	failChange  func(m *fakeMessage) bool
	hangs       bool // deletes and changes of visibility get no response

	mu       sync.Mutex
	messages []*fakeMessage
	dead     []string
	changed  chan struct{}
	deletes  []int   // sizes of DeleteMessageBatch calls
	changes  int     // ChangeMessageVisibilityBatch entries
	waits    []int32 // of the polls
	canceled int     // polls
	sent     int
}

type fakeMessage struct {
	id, body, group string
	attributes      map[string]types.MessageAttributeValue
	sent, first     time.Time
	visibleAt       time.Time
	received        int
	handle          string
}

func newFakeSQS(t *testing.T, visibility time.Duration) *fakeSQS {
	return &fakeSQS{t: t, visibility: visibility, changed: make(chan struct{})}
}

// send adds messages without a group and returns their ids: a, b, c and so on.
func (q *fakeSQS) send(bodies ...string) []string {
	var ids []string
	for _, b := range bodies {
		ids = append(ids, q.sendGroup("", b))
	}
	return ids
}

// sendAll is send for messages that appear at the same time.
func (q *fakeSQS) sendAll(bodies ...string) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ids []string
	for _, b := range bodies {
		ids = append(ids, q.add("", b))
	}
	q.notify()
	return ids
}

func (q *fakeSQS) sendGroup(group, body string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.notify()
	return q.add(group, body)
}

func (q *fakeSQS) add(group, body string) string {
	id := string(rune('a' + q.sent))
	if q.sent >= 26 {
		id = "m" + strconv.Itoa(q.sent)
	}
	q.sent++
	q.messages = append(q.messages, &fakeMessage{id: id, body: body, group: group, sent: time.Now(), visibleAt: time.Now()})
	return id
}

func (q *fakeSQS) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// ids returns the ids of all messages in the queue, visible or not.
func (q *fakeSQS) ids() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := ""
	for _, m := range q.messages {
		s += m.id
	}
	return s
}

// received returns the sum of the receive counts of all messages.
func (q *fakeSQS) received() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, m := range q.messages {
		n += m.received
	}
	return n
}

func (q *fakeSQS) find(id string) fakeMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if m.id == id {
			return *m
		}
	}
	return fakeMessage{}
}

func (q *fakeSQS) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if in.MaxNumberOfMessages < 1 || in.MaxNumberOfMessages > 10 || in.WaitTimeSeconds < 0 || in.WaitTimeSeconds > 20 {
		q.t.Errorf("ReceiveMessage of %d messages, waiting %d s", in.MaxNumberOfMessages, in.WaitTimeSeconds)
	}
	end := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer end.Stop()
	q.mu.Lock()
	q.waits = append(q.waits, in.WaitTimeSeconds)
	q.mu.Unlock()
	for {
		q.mu.Lock()
		if q.failReceive != nil {
			if err := q.failReceive(); err != nil {
				q.mu.Unlock()
				return nil, err
			}
		}
		out, next := q.take(int(in.MaxNumberOfMessages))
		changed := q.changed
		q.mu.Unlock()
		if len(out) > 0 {
			return &sqs.ReceiveMessageOutput{Messages: out}, nil
		}
		appears := time.NewTimer(time.Until(next))
		select {
		case <-changed:
		case <-appears.C:
		case <-end.C:
			appears.Stop()
			return &sqs.ReceiveMessageOutput{}, nil
		case <-ctx.Done():
			appears.Stop()
			q.mu.Lock()
			q.canceled++
			q.mu.Unlock()
			return nil, ctx.Err()
		}
		appears.Stop()
	}
}

// take receives up to n messages. Without any, next is when one becomes
// visible.
func (q *fakeSQS) take(n int) (out []types.Message, next time.Time) {
	now := time.Now()
	next = now.Add(time.Hour)
	blocked := make(map[string]bool)
	for _, m := range slices.Clone(q.messages) {
		if m.visibleAt.After(now) {
			blocked[m.group] = true
			if m.visibleAt.Before(next) {
				next = m.visibleAt
			}
			continue
		}
		if (q.fifo && blocked[m.group]) || len(out) == n {
			continue
		}
		if q.maxReceive > 0 && m.received >= q.maxReceive {
			q.dead = append(q.dead, m.id)
			q.remove(m)
			continue
		}
		m.received++
		if m.first.IsZero() {
			m.first = now
		}
		m.visibleAt = now.Add(q.visibility)
		m.handle = fmt.Sprintf("%s#%d", m.id, m.received)
		out = append(out, m.message())
	}
	return out, next
}

func (m *fakeMessage) message() types.Message {
	attributes := map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"SenderId":                         "local",
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	if m.group != "" {
		attributes["MessageGroupId"] = m.group
	}
	out := types.Message{
		MessageId: aws.String(m.id), ReceiptHandle: aws.String(m.handle), Body: aws.String(m.body),
		MD5OfBody: aws.String(fmt.Sprintf("%x", md5.Sum([]byte(m.body)))), Attributes: attributes,
		MessageAttributes: m.attributes,
	}
	if m.attributes != nil {
		out.MD5OfMessageAttributes = aws.String("0123456789abcdef0123456789abcdef")
	}
	return out
}

func (q *fakeSQS) remove(m *fakeMessage) {
	q.messages = slices.DeleteFunc(q.messages, func(o *fakeMessage) bool { return o == m })
	q.notify()
}

// byHandle returns the message of a receipt handle if that is its latest.
func (q *fakeSQS) byHandle(handle *string) *fakeMessage {
	for _, m := range q.messages {
		if m.handle != "" && m.handle == aws.ToString(handle) {
			return m
		}
	}
	return nil
}

var errStaleHandle = types.BatchResultErrorEntry{Code: aws.String("ReceiptHandleIsInvalid"), SenderFault: true}

// respond waits for the end of ctx if the queue hangs.
func (q *fakeSQS) respond(ctx context.Context) error {
	q.mu.Lock()
	hangs := q.hangs
	q.mu.Unlock()
	if hangs {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (q *fakeSQS) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	if err := q.respond(ctx); err != nil {
		return nil, err
	}
	time.Sleep(q.deleteTakes)
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(in.Entries) < 1 || len(in.Entries) > 10 {
		q.t.Errorf("DeleteMessageBatch of %d entries", len(in.Entries))
	}
	q.deletes = append(q.deletes, len(in.Entries))
	if q.failBatch != nil {
		if err := q.failBatch(); err != nil {
			return nil, err
		}
	}
	out := &sqs.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		m := q.byHandle(e.ReceiptHandle)
		if m == nil {
			failed := errStaleHandle
			failed.Id = e.Id
			out.Failed = append(out.Failed, failed)
			continue
		}
		if q.failDelete != nil {
			if failed := q.failDelete(m); failed != nil {
				failed.Id = e.Id
				out.Failed = append(out.Failed, *failed)
				continue
			}
		}
		q.remove(m)
	}
	return out, nil
}

func (q *fakeSQS) ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	if err := q.respond(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(in.Entries) < 1 || len(in.Entries) > 10 {
		q.t.Errorf("ChangeMessageVisibilityBatch of %d entries", len(in.Entries))
	}
	q.changes += len(in.Entries)
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	for _, e := range in.Entries {
		m := q.byHandle(e.ReceiptHandle)
		if m == nil || q.failChange != nil && q.failChange(m) {
			failed := errStaleHandle
			failed.Id = e.Id
			out.Failed = append(out.Failed, failed)
			continue
		}
		m.visibleAt = time.Now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
		q.notify()
	}
	return out, nil
}

func (q *fakeSQS) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	if q.visibility == 0 {
		return nil, errors.New("no such queue")
	}
	has := map[string]string{"VisibilityTimeout": strconv.Itoa(int(q.visibility / time.Second))}
	if q.redrive != "" {
		has["RedrivePolicy"] = q.redrive
	}
	attributes := make(map[string]string)
	for _, name := range in.AttributeNames {
		if v, ok := has[string(name)]; ok {
			attributes[string(name)] = v
		}
	}
	return &sqs.GetQueueAttributesOutput{Attributes: attributes}, nil
}
