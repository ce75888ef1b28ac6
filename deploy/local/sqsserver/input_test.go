package sqsserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/sqsserver/queue"
)

// quickInputs are the inputs that are read without reflection.
var quickInputs = map[string]func() any{
	"SendMessage":                  func() any { return new(queue.SendMessageInput) },
	"SendMessageBatch":             func() any { return new(queue.SendMessageBatchInput) },
	"ReceiveMessage":               func() any { return new(queue.ReceiveMessageInput) },
	"DeleteMessage":                func() any { return new(queue.DeleteMessageInput) },
	"DeleteMessageBatch":           func() any { return new(queue.DeleteMessageBatchInput) },
	"ChangeMessageVisibility":      func() any { return new(queue.ChangeMessageVisibilityInput) },
	"ChangeMessageVisibilityBatch": func() any { return new(queue.ChangeMessageVisibilityBatchInput) },
}

// agree checks that readInput reads text as encoding/json does, and returns false
// if readInput leaves it to encoding/json.
func agree(t *testing.T, text []byte, fresh func() any) bool {
	t.Helper()
	fast := fresh()
	if !readInput(text, fast) {
		return false
	}
	slow := fresh()
	if err := decodeJSON(text, slow); err != nil {
		t.Errorf("%T %q: readInput accepts text that is refused: %v", fast, text, err)
	} else if !reflect.DeepEqual(fast, slow) {
		t.Errorf("%T %q: got %+v, want %+v", fast, text, fast, slow)
	}
	return true
}

var quickTexts = []string{
	`{}`, ` { "QueueUrl" : "u" } `, `{"QueueUrl":"u","QueueUrl":"v"}`, `{"queueurl":"u"}`, `{"QueueUrl":null}`, `{"QueueUrl":1}`, `{"QueueUrl":"u",}`, `{"QueueUrl":"u"} x`,
	`{"MessageBody":"a\"b\\c\/d\b\f\n\r\tπ🎈\ud83c\udf88\u00e9","DelaySeconds":0}`, `{"MessageBody":"\ud83c!"}`, `{"MessageBody":"\udf88"}`, `{"MessageBody":"\ud83c\u0041"}`, `{"MessageBody":"\ud83c\ud83c"}`, `{"MessageBody":"\u12g4"}`, `{"MessageBody":"\x"}`,
	"{\"MessageBody\":\"a\nb\"}", "{\"MessageBody\":\"\\n\x01\"}", `{"MessageBody":"\ufffd\u0000"}`, `{"MessageBody":"open`, `{"MessageBody":"\`, `{"MessageBody":"\ud83c\`,
	`{"DelaySeconds":-0}`, `{"DelaySeconds":01}`, `{"DelaySeconds":1.0}`, `{"DelaySeconds":1e2}`, `{"DelaySeconds":999999999999999}`, `{"DelaySeconds":99999999999999999999}`, `{"DelaySeconds":-}`, `{"DelaySeconds":-7}`, `{"DelaySeconds":"1"}`,
	`{"MessageAttributes":{}}`, `{"MessageAttributes":{"a":{"DataType":"String","StringValue":"x"},"b":{}}}`, `{"MessageAttributes":{"a":{"DataType":"String"},"a":{"StringValue":"x"}}}`,
	`{"MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AA=="}}}`, `{"MessageAttributes":{},"MessageAttributes":{}}`, `{"MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=1"}}}`,
	`{"Entries":[]}`, `{"Entries":[{}]}`, `{"Entries":[{"Id":"a","MessageBody":"x"},{"Id":"b","ReceiptHandle":"h","VisibilityTimeout":1}]}`, `{"Entries":[{"Id":"a"}],"Entries":[{"MessageBody":"y"}]}`,
	`{"Entries":[{"Id":"a","ReceiptHandle":"h"},{"Id":"b","ReceiptHandle":"i","VisibilityTimeout":0}]}`, `{"Entries":[{"Id":"a","Id":"b"}]}`, `{"Entries":{}}`, `{"Entries":[{}{}]}`, `{"Entries":[,]}`,
	`{"Entries":[{},{},{},{},{},{},{},{},{},{},{}]}`, `{"AttributeNames":["All"],"MessageAttributeNames":[],"MaxNumberOfMessages":10,"WaitTimeSeconds":20}`, `{"AttributeNames":[null]}`, `{"AttributeNames":["a","b"],"AttributeNames":["c"]}`,
	`[]`, `"x"`, `null`, ``, `{"Queue\u0055rl":"u"}`, `{"ReceiptHandle":"h","ReceiptHandle":"i"}`,
}

func TestReadInputAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range quickTexts {
		for _, fresh := range quickInputs {
			agree(t, []byte(text), fresh)
		}
	}
}

func FuzzReadInputAgreesWithEncodingJSON(f *testing.F) {
	for _, text := range quickTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, fresh := range quickInputs {
			if utf8.Valid(text) { // decodeInput checks that first
				agree(t, text, fresh)
			}
		}
	})
}

// TestReadInputReadsRequestsOfTheSDK: a client that falls back to encoding/json is
// still served, only slower.
func TestReadInputReadsRequestsOfTheSDK(t *testing.T) {
	t.Parallel()
	bodies := make(chan []byte, 1)
	c := sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sqs.test"), Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1,
		HTTPClient: doFunc(func(r *http.Request) (*http.Response, error) {
			b, err := io.ReadAll(r.Body)
			bodies <- b
			return nil, errors.Join(err, errors.New("no response"))
		}),
	})
	url, body, handle := aws.String("http://sqs.test/000000000000/q"), aws.String(`{"type":"a","data":{"t":"<é\t&🎈>"}}`), aws.String("AAAA+/==")
	attrs := map[string]types.MessageAttributeValue{"traceparent": {DataType: aws.String("String"), StringValue: aws.String("00-1")}}
	for action, send := range map[string]func(context.Context) error{
		"SendMessage": func(ctx context.Context) error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: body, DelaySeconds: 3, MessageAttributes: attrs})
			return err
		},
		"SendMessageBatch": func(ctx context.Context) error {
			_, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String("0"), MessageBody: body}, {Id: aws.String("1"), MessageBody: body, MessageAttributes: attrs, MessageGroupId: body},
			}})
			return err
		},
		"ReceiveMessage": func(ctx context.Context) error {
			_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
			})
			return err
		},
		"DeleteMessage": func(ctx context.Context) error {
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle})
			return err
		},
		"DeleteMessageBatch": func(ctx context.Context) error {
			_, err := c.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: handle}}})
			return err
		},
		"ChangeMessageVisibility": func(ctx context.Context) error {
			_, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: 5})
			return err
		},
		"ChangeMessageVisibilityBatch": func(ctx context.Context) error {
			_, err := c.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: handle, VisibilityTimeout: 5}}})
			return err
		},
	} {
		if err := send(t.Context()); err == nil {
			t.Fatalf("%s: want the client's error", action)
		}
		if text := <-bodies; !agree(t, text, quickInputs[action]) {
			t.Errorf("%s: not read by readInput: %s", action, text)
		}
	}
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func BenchmarkDecode(b *testing.B) {
	in := map[string]any{"QueueUrl": "http://127.0.0.1:9324/000000000000/q"}
	var entries []any
	for i := range 10 {
		entries = append(entries, map[string]any{"Id": string(rune('0' + i)), "MessageBody": `{"type":"user-registration","data":{"email":"ada@example.com","name":"Ada"}}`})
	}
	in["Entries"] = entries
	text, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := decodeInput(text, new(queue.SendMessageBatchInput)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := decodeJSON(text, new(queue.SendMessageBatchInput)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
