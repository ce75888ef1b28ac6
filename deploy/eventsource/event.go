package eventsource

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	eventHead = `{"Records":[`
	eventTail = `]}`
)

// event joins encoded records to the JSON of one event.
func event[T any](records []T, encoded func(T) []byte) []byte {
	size := len(eventHead) + len(eventTail)
	for _, r := range records {
		size += len(encoded(r)) + 1
	}
	b := append(make([]byte, 0, size), eventHead...)
	for i, r := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, encoded(r)...)
	}
	return append(b, eventTail...)
}

// fitting returns how many of the first records fit into one event of
// MaxPayloadBytes. It is at least one: a larger record has an event of its own.
// size returns the bytes of a record and its comma.
func fitting[T any](records []T, size func(T) int) int {
	total := len(eventHead) + len(eventTail)
	for i, r := range records {
		if total += size(r); total > MaxPayloadBytes && i > 0 {
			return i
		}
	}
	return len(records)
}

// message is an SQS message and its record in Lambda's JSON.
type message struct {
	types.Message
	encoded []byte
}

func (m message) id() string    { return aws.ToString(m.MessageId) }
func (m message) group() string { return m.Attributes["MessageGroupId"] }
func (m message) json() []byte  { return m.encoded }
func (m message) size() int     { return len(m.encoded) + 1 }

// newMessages encodes received messages, all into one buffer.
func newMessages(received []types.Message, queueARN, region string) []message {
	if len(received) == 0 {
		return nil
	}
	const fixed = 768 // estimate for all of a record but its body
	size := 0
	for i := range received {
		size += len(aws.ToString(received[i].Body))*9/8 + fixed
	}
	buf := make([]byte, 0, size)
	messages := make([]message, len(received))
	for i := range received {
		start := len(buf)
		buf = appendRecord(buf, &received[i], queueARN, region)
		messages[i] = message{Message: received[i], encoded: buf[start:len(buf):len(buf)]}
	}
	return messages
}
