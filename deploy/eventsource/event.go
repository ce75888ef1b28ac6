package eventsource

import (
	"bytes"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	eventHead = `{"Records":[`
	eventTail = `]}`
)

// event joins encoded records to the JSON of one event.
func event[T any](records []T, encoded func(T) []byte) []byte {
	var b bytes.Buffer
	b.WriteString(eventHead)
	for i, r := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encoded(r))
	}
	b.WriteString(eventTail)
	return b.Bytes()
}

// fitting returns how many of the first records make one event within MaxPayloadBytes, at least one: a record that is larger
// is an event by itself. size counts a record's bytes and its comma.
func fitting[T any](records []T, size func(T) int) int {
	total := len(eventHead) + len(eventTail)
	for i, r := range records {
		if total += size(r); total > MaxPayloadBytes && i > 0 {
			return i
		}
	}
	return len(records)
}

// message is one SQS message with its record in Lambda's JSON.
type message struct {
	types.Message
	encoded []byte
}

func (m message) id() string    { return aws.ToString(m.MessageId) }
func (m message) group() string { return m.Attributes["MessageGroupId"] }
func (m message) json() []byte  { return m.encoded }
func (m message) size() int     { return len(m.encoded) + 1 }

// sqsRecord is an element of Records in Lambda's SQS event.
type sqsRecord struct {
	MessageID              string                  `json:"messageId"`
	ReceiptHandle          string                  `json:"receiptHandle"`
	Body                   string                  `json:"body"`
	Attributes             map[string]string       `json:"attributes"`
	MessageAttributes      map[string]sqsAttribute `json:"messageAttributes"`
	MD5OfMessageAttributes string                  `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string                  `json:"md5OfBody"`
	EventSource            string                  `json:"eventSource"`
	EventSourceARN         string                  `json:"eventSourceARN"`
	AWSRegion              string                  `json:"awsRegion"`
}

type sqsAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"` // base64 in JSON, as in Lambda's
	StringListValues []string `json:"stringListValues"`
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func newMessage(m types.Message, queueARN, region string) message {
	record := sqsRecord{
		MessageID:              aws.ToString(m.MessageId),
		ReceiptHandle:          aws.ToString(m.ReceiptHandle),
		Body:                   aws.ToString(m.Body),
		Attributes:             m.Attributes,
		MessageAttributes:      make(map[string]sqsAttribute, len(m.MessageAttributes)),
		MD5OfMessageAttributes: aws.ToString(m.MD5OfMessageAttributes),
		MD5OfBody:              aws.ToString(m.MD5OfBody),
		EventSource:            "aws:sqs",
		EventSourceARN:         queueARN,
		AWSRegion:              region,
	}
	if record.Attributes == nil {
		record.Attributes = map[string]string{}
	}
	for name, a := range m.MessageAttributes {
		record.MessageAttributes[name] = sqsAttribute{
			StringValue:      a.StringValue,
			BinaryValue:      a.BinaryValue,
			StringListValues: []string{}, // SQS has no lists yet; Lambda writes them empty
			BinaryListValues: [][]byte{},
			DataType:         aws.ToString(a.DataType),
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(record) // text, maps and bytes always encode
	return message{Message: m, encoded: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}
