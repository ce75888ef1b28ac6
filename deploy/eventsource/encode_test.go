package eventsource

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// jsonRecord is a record for encoding/json.
type jsonRecord struct {
	MessageID              string                   `json:"messageId"`
	ReceiptHandle          string                   `json:"receiptHandle"`
	Body                   string                   `json:"body"`
	Attributes             map[string]string        `json:"attributes"`
	MessageAttributes      map[string]jsonAttribute `json:"messageAttributes"`
	MD5OfMessageAttributes string                   `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string                   `json:"md5OfBody"`
	EventSource            string                   `json:"eventSource"`
	EventSourceARN         string                   `json:"eventSourceARN"`
	AWSRegion              string                   `json:"awsRegion"`
}

type jsonAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"` // base64 in JSON, as in Lambda's event
	StringListValues []string `json:"stringListValues"`
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

// marshal returns the JSON of v without HTML escaping.
func marshal(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func encode(t testing.TB, m types.Message) string {
	r := jsonRecord{
		MessageID: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
		Attributes: map[string]string{}, MessageAttributes: map[string]jsonAttribute{},
		MD5OfMessageAttributes: aws.ToString(m.MD5OfMessageAttributes), MD5OfBody: aws.ToString(m.MD5OfBody),
		EventSource: "aws:sqs", EventSourceARN: standardARN, AWSRegion: "eu-west-1",
	}
	for name, v := range m.Attributes {
		r.Attributes[name] = v
	}
	for name, a := range m.MessageAttributes {
		r.MessageAttributes[name] = jsonAttribute{
			StringValue: a.StringValue, BinaryValue: a.BinaryValue,
			StringListValues: []string{}, BinaryListValues: [][]byte{}, DataType: aws.ToString(a.DataType),
		}
	}
	return marshal(t, r)
}

func TestAppendRecordEqualsEncodingJSON(t *testing.T) {
	t.Parallel()
	full := benchMessage()
	full.MD5OfMessageAttributes = aws.String("0123456789abcdef0123456789abcdef")
	full.Attributes["MessageGroupId"] = "a\"b"
	full.MessageAttributes = map[string]types.MessageAttributeValue{
		"trace":       {DataType: aws.String("String"), StringValue: aws.String("t\n1")},
		"blob":        {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255, 3, 4}},
		"empty":       {DataType: aws.String("String"), StringValue: aws.String("")},
		"empty bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{}},
		"né\"":        {},
	}
	for name, m := range map[string]types.Message{"nothing": {}, "usual": benchMessage(), "full": full} {
		if got, want := string(appendRecord(nil, &m, standardARN, "eu-west-1")), encode(t, m); got != want {
			t.Errorf("%s: got %s\nwant %s", name, got, want)
		}
	}
}

// TestEventAllocations is not parallel because AllocsPerRun counts the
// allocations of the whole process.
func TestEventAllocations(t *testing.T) {
	received := make([]types.Message, 10)
	for i := range received {
		received[i] = benchMessage()
	}
	// The sorted names of each message; the messages, their JSON and the event.
	if n := testing.AllocsPerRun(100, func() { event(newMessages(received, standardARN, "eu-west-1"), message.json) }); n > 13 {
		t.Errorf("allocations for ten messages: got %v, want at most 13", n)
	}
}
