package sqstest

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const mib = 1 << 20

func str(v string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
}

func num(v string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: &v}
}

var messageCases = []Case{
	{
		Name: "round trip",
		Rule: "A received message has the id that the send returned, its body, its digest and its sent time; after a delete it is not received again.",
		Check: func(t *T) {
			url := t.queue()
			body := "<hello> & \"world\" \\ \t\r\n ü 日本 🎈 \u2028"
			sum := md5.Sum([]byte(body))
			before := time.Now().Add(-2 * time.Second).UnixMilli()
			out := t.send(url, body)
			if *out.MD5OfMessageBody != hex.EncodeToString(sum[:]) {
				t.Errorf("MD5OfMessageBody: got %s, want %x", *out.MD5OfMessageBody, sum)
			}
			m := t.one(url, body)
			if *m.MessageId != *out.MessageId || *m.MD5OfBody != hex.EncodeToString(sum[:]) {
				t.Errorf("got %s %s, want %s %x", *m.MessageId, *m.MD5OfBody, *out.MessageId, sum)
			}
			var sent int64
			fmt.Sscan(m.Attributes["SentTimestamp"], &sent)
			if sent < before || sent > time.Now().Add(2*time.Second).UnixMilli() {
				t.Errorf("SentTimestamp: got %d", sent)
			}
			if m.Attributes["SenderId"] == "" {
				t.Error("no SenderId")
			}
			t.delete(url, m)
			t.none(url)
			t.wantCounts(url, 0, 0, 0)
		},
	},
	{
		Name: "message attributes",
		Rule: "Message attributes keep their types and bytes, and have the digest that AWS defines.",
		Check: func(t *T) {
			url := t.queue()
			in := map[string]types.MessageAttributeValue{
				"Text":     str("ü <b>"),
				"Number":   num("-12.5e3"),
				"Custom.x": {DataType: aws.String("String.json"), StringValue: aws.String("{}")},
				"Bytes":    {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 1, 0xFF}},
			}
			out := t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: in})
			m := t.one(url, "x")
			if len(m.MessageAttributes) != len(in) {
				t.Fatalf("got %d attributes, want %d", len(m.MessageAttributes), len(in))
			}
			for name, want := range in {
				got := m.MessageAttributes[name]
				if aws.ToString(got.DataType) != *want.DataType || aws.ToString(got.StringValue) != aws.ToString(want.StringValue) ||
					!bytes.Equal(got.BinaryValue, want.BinaryValue) {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
			}
			// The digest over the four attributes, sorted by name, as the developer guide
			// describes it. It was computed independently.
			const want = "d7999a48e46d42964ebfa54c1d10c2e4"
			if aws.ToString(out.MD5OfMessageAttributes) != want || aws.ToString(m.MD5OfMessageAttributes) != want {
				t.Errorf("MD5OfMessageAttributes: sent %s, received %s, want %s",
					aws.ToString(out.MD5OfMessageAttributes), aws.ToString(m.MD5OfMessageAttributes), want)
			}
		},
	},
	{
		Name: "attribute filters",
		Rule: "A receive returns the attributes that it asks for by name, prefix or All, and no others; the digest covers the returned ones.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "0")
			t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("msg"), MessageAttributes: map[string]types.MessageAttributeValue{
				"Help.Me": str("Me"), "Hello": str("There"), "General": str("Kenobi"),
			}})
			for _, row := range []struct {
				ask  []string
				want int
				md5  string
			}{
				{[]string{}, 0, ""},
				{[]string{"All"}, 3, "4c360f3fdafd970e05fae2f149d997f5"},
				{[]string{".*"}, 3, "4c360f3fdafd970e05fae2f149d997f5"},
				{[]string{"Foo"}, 0, ""},
				{[]string{"Hello", "General"}, 2, "fca026605781cb4126a1e9044df24232"},
				{[]string{"Foo", "Hello"}, 1, "a311262e065454b75da111d535b8dacd"},
				{[]string{"Hel.*"}, 2, "83fee93c1bcd8b9a5a923ffacdc636c7"},
			} {
				ms := t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: row.ask})
				if len(ms) != 1 || len(ms[0].MessageAttributes) != row.want || aws.ToString(ms[0].MD5OfMessageAttributes) != row.md5 {
					t.Errorf("asked for %v: got %v, want %d attributes with the digest %q", row.ask, ms, row.want, row.md5)
				}
			}
		},
	},
	{
		Name: "system attribute filters",
		Rule: "A receive returns the system attributes that it asks for by the old or the new parameter, and no others.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "0")
			t.send(url, "x")
			for _, row := range []struct {
				in   sqs.ReceiveMessageInput
				want int
			}{
				{sqs.ReceiveMessageInput{}, 0},
				{sqs.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}}, 4},
				{sqs.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SenderId", "SentTimestamp"}}, 2},
				//lint:ignore SA1019 clients still send it
				{sqs.ReceiveMessageInput{AttributeNames: []types.QueueAttributeName{"All"}}, 4},
			} {
				row.in.QueueUrl = &url
				out, err := t.ReceiveMessage(t.Context(), &row.in)
				if err != nil || len(out.Messages) != 1 || len(out.Messages[0].Attributes) != row.want {
					t.Errorf("got %v, %v, want %d attributes", out, err, row.want)
				}
			}
		},
	},
	{
		Name: "trace header",
		Rule: "A message keeps its system attribute AWSTraceHeader, and the send returns its digest; no other may be sent.",
		Check: func(t *T) {
			url := t.queue()
			v := "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
			in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &v},
			}}
			if out := t.sendInput(in); aws.ToString(out.MD5OfMessageSystemAttributes) == "" {
				t.Error("no MD5OfMessageSystemAttributes")
			}
			if m := t.one(url, "x"); m.Attributes["AWSTraceHeader"] != v {
				t.Errorf("got %v", m.Attributes)
			}
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"SenderId": {DataType: aws.String("String"), StringValue: &v}}
			_, err := t.SendMessage(t.Context(), in)
			wantCode(t, "another one", err, "InvalidParameterValue")
		},
	},
	{
		Name: "characters",
		Rule: "A body with characters that XML does not allow is refused with InvalidMessageContents.",
		Check: func(t *T) {
			url := t.queue()
			for _, body := range []string{"a\x00", "\x0b", "\x1f", "\uFFFE", "\uFFFF"} {
				_, err := t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
				wantError[*types.InvalidMessageContents](t, fmt.Sprintf("body %q", body), err)
			}
			t.none(url)
			t.send(url, "\t\n\r \uE000\uFFFD\U00010000\U0010FFFF")
			t.one(url, "\t\n\r \uE000\uFFFD\U00010000\U0010FFFF")
		},
	},
	{
		Name: "message size",
		Rule: "A message has at most 1 MiB with its attributes; a queue may set a lower limit.",
		Check: func(t *T) {
			url := t.queue()
			a := map[string]types.MessageAttributeValue{"name": str("value")} // 4 + 6 + 5 bytes
			body := strings.Repeat("x", mib-15)
			t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: a})
			t.one(url, body)
			body += "x"
			_, err := t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: a})
			wantCode(t, "one byte more", err, "InvalidParameterValue")
			small := t.queue("MaximumMessageSize", "1024")
			t.send(small, strings.Repeat("x", 1024))
			_, err = t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &small, MessageBody: aws.String(strings.Repeat("x", 1025))})
			wantCode(t, "over the queue's limit", err, "InvalidParameterValue")
		},
	},
	{
		Name: "empty body",
		Rule: "A message without a body is refused.",
		Check: func(t *T) {
			url := t.queue()
			_, err := t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
			wantCode(t, "empty", err, "MissingParameter")
		},
	},
	{
		Name: "attribute rules",
		Rule: "A message has at most ten attributes, with names, types and values that AWS allows.",
		Check: func(t *T) {
			url := t.queue()
			send := func(a map[string]types.MessageAttributeValue) error {
				_, err := t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: a})
				return err
			}
			many := map[string]types.MessageAttributeValue{}
			for i := range 10 {
				many[fmt.Sprint("a", i)] = str("x")
			}
			if err := send(many); err != nil {
				t.Errorf("ten: %v", err)
			}
			many["b"] = str("x")
			wantCode(t, "eleven", send(many), "InvalidParameterValue")
			for what, a := range map[string]map[string]types.MessageAttributeValue{
				"empty value":    {"a": str("")},
				"reserved name":  {"AWS.a": str("x")},
				"reserved name2": {"amazon.a": str("x")},
				"dot first":      {".a": str("x")},
				"dot last":       {"a.": str("x")},
				"two dots":       {"a..b": str("x")},
				"space":          {"a b": str("x")},
				"long name":      {strings.Repeat("a", 257): str("x")},
				"not a number":   {"a": num("twelve")},
				"unknown type":   {"a": {DataType: aws.String("Bool"), StringValue: aws.String("x")}},
				"control char":   {"a": str("\x00")},
			} {
				wantCode(t, what, send(a), "InvalidParameterValue")
			}
		},
	},
	{
		Name: "queue delay",
		Rule: "In a queue with a delay a message is invisible for that time after its send, and counts as delayed.",
		Check: func(t *T) {
			url := t.queue("DelaySeconds", "2")
			t.send(url, "x")
			t.none(url)
			t.wantCounts(url, 0, 0, 1)
			t.sleep(2100 * time.Millisecond)
			t.wantCounts(url, 1, 0, 0)
			t.one(url, "x")
			t.wantCounts(url, 0, 1, 0)
		},
	},
	{
		Name: "message delay",
		Rule: "The delay of a message overrides the queue's, and is at most 900 seconds.",
		Check: func(t *T) {
			url := t.queue()
			t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("late"), DelaySeconds: 1})
			t.send(url, "now")
			m := t.one(url, "now")
			t.delete(url, m)
			t.sleep(1100 * time.Millisecond)
			t.one(url, "late")
			_, err := t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 901})
			wantCode(t, "901 seconds", err, "InvalidParameterValue")
		},
	},
	{
		Name: "long delay",
		Rule: "A delay of 900 seconds lasts to its end.",
		Check: func(t *T) {
			url := t.queue()
			t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("late"), DelaySeconds: 900})
			t.sleep(899 * time.Second)
			t.none(url)
			t.sleep(1100 * time.Millisecond)
			t.one(url, "late")
		},
	},
	{
		Name: "retention",
		Rule: "A message is deleted when the retention period since its send is over, in flight or not.",
		Check: func(t *T) {
			url := t.queue("MessageRetentionPeriod", "70", "VisibilityTimeout", "1000")
			t.send(url, "in flight")
			t.one(url, "in flight")
			t.send(url, "waiting")
			t.sleep(50 * time.Second)
			t.send(url, "younger")
			t.sleep(21 * time.Second)
			t.one(url, "younger")
			t.sleep(40 * time.Second) // an engine may update its counts late
			t.wantCounts(url, 0, 1, 0)
		},
	},
	{
		Name: "group on a standard queue",
		Rule: "A standard queue accepts a MessageGroupId and returns it, without keeping order; it refuses a deduplication id.",
		Check: func(t *T) {
			url := t.queue()
			t.sendTo(url, "g", "", "a")
			t.sendTo(url, "g", "", "b")
			ms := append(t.receive(url, 1), t.receive(url, 1)...)
			if len(ms) != 2 || ms[0].Attributes["MessageGroupId"] != "g" || ms[1].Attributes["MessageGroupId"] != "g" {
				t.Errorf("got %v, want both messages of the group at once", bodies(ms))
			}
			_, err := t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("d")})
			wantCode(t, "deduplication id", err, "InvalidParameterValue")
			_, err = t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g 1")})
			wantCode(t, "group with a space", err, "InvalidParameterValue")
		},
	},
}
