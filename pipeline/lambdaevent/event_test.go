package lambdaevent_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

func decode(t *testing.T, payload string, accept ...lambdaevent.Kind) lambdaevent.Batch {
	t.Helper()
	b, err := lambdaevent.Decode([]byte(payload), accept...)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return b
}

// message returns an SQS record with the required fields.
func message(id, body string) string {
	return fmt.Sprintf(`{"messageId":%q,"receiptHandle":"h-%[1]s","body":%q,"attributes":{"ApproximateReceiveCount":"1"},`+
		`"messageAttributes":{},"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"}`, id, body)
}

// change returns a record of a DynamoDB stream.
func change(sequence, key, images string) string {
	return fmt.Sprintf(`{"eventID":"e-%s","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",`+
		`"dynamodb":{"ApproximateCreationDateTime":1767225600,"Keys":{"PK":{"S":%q},"SK":{"S":"-"}},%s"SequenceNumber":%q,"SizeBytes":10,"StreamViewType":"NEW_AND_OLD_IMAGES"},`+
		`"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/records/stream/2026-01-01T00:00:00.000"}`, sequence, key, images, sequence)
}

func records(all ...string) string { return `{"Records":[` + strings.Join(all, ",") + `]}` }

func TestDecodeRejectsEventsAsAWhole(t *testing.T) {
	t.Parallel()
	good := message("m-1", "{}")
	for _, c := range []struct {
		name, payload string
		accept        []lambdaevent.Kind
		field, reason string
	}{
		{"not JSON", `Records`, nil, "", "is not JSON"},
		{"nothing", ``, nil, "", "is not JSON"},
		{"cut off", records(good)[:200], nil, "", "is not JSON"},
		{"more behind", records(good) + "{}", nil, "", "is not JSON: more than one value"},
		{"a list", `[]`, nil, "", "is not an object"},
		{"null", `null`, nil, "Records", "is missing"},
		{"no Records", `{"records":[]}`, nil, "Records", "is missing"},
		{"Records is null", `{"Records":null}`, nil, "Records", "is not a list"},
		{"Records is an object", `{"Records":{}}`, nil, "Records", "is not a list"},
		{"a record is text", `{"Records":["m"]}`, nil, "Records[0]", "is not an object"},
		{"a record is null", records(good, "null"), nil, "Records[1].messageId", "is missing"},
		{"no source", `{"Records":[{"messageId":"m"}]}`, nil, "Records[0].eventSource", "is missing"},
		{"source is a number", `{"Records":[{"messageId":"m","eventSource":1}]}`, nil, "Records[0].eventSource", `is ""`},
		{"unknown source", `{"Records":[{"eventSource":"aws:ses"}]}`, nil, "Records[0].eventSource", `is "aws:ses"`},
		{"SNS by S3's field", `{"Records":[{"eventSource":"aws:sns"}]}`, nil, "Records[0].eventSource", `is "aws:sns"`},
		{"wrong kind", records(good), []lambdaevent.Kind{lambdaevent.DynamoDBStream, lambdaevent.KinesisStream}, "Records[0].eventSource", `is "aws:sqs", want that of DynamoDB stream, Kinesis stream`},
		{"wrong single kind", `{"detail-type":"x","id":"1"}`, []lambdaevent.Kind{lambdaevent.SQS}, "", "is from EventBridge, want SQS"},
		{"no message id", records(good, strings.Replace(good, `"m-1"`, `""`, 1)), nil, "Records[1].messageId", "is missing"},
		{"a message id of another type", records(good, strings.Replace(good, `"m-1"`, `7`, 1)), nil, "Records[1].messageId", "is missing"},
		{"no sequence number", records(change("", "a", "")), nil, "Records[0].dynamodb.SequenceNumber", "is missing"},
		{"no Kinesis sequence number", records(`{"eventSource":"aws:kinesis","kinesis":{}}`), nil, "Records[0].kinesis.sequenceNumber", "is missing"},
		{"no EventBridge id", `{"detail-type":"x"}`, nil, "id", "is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := lambdaevent.Decode([]byte(c.payload), c.accept...)
			e, ok := errors.AsType[*lambdaevent.EventError](err)
			if !ok {
				t.Fatalf("got %v and %+v, want an *EventError", err, b)
			}
			if e.Field != c.field || !strings.HasPrefix(e.Reason, c.reason) {
				t.Errorf("got %q %q, want %q %q", e.Field, e.Reason, c.field, c.reason)
			}
			if !strings.HasPrefix(err.Error(), "event") {
				t.Errorf("%q does not name the form", err)
			}
		})
	}
}

func TestDecodeDetectsTheKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		payload string
		accept  []lambdaevent.Kind
		kind    lambdaevent.Kind
		order   pipeline.Order
		records int
	}{
		{records(message("m", "x")), nil, lambdaevent.SQS, pipeline.Unordered, 1},
		// The first accepted kind is only assumed.
		{records(message("m", "x")), []lambdaevent.Kind{lambdaevent.S3, lambdaevent.SQS}, lambdaevent.SQS, pipeline.Unordered, 1},
		{records(message("m", "x")), []lambdaevent.Kind{lambdaevent.EventBridge, lambdaevent.SQS}, lambdaevent.SQS, pipeline.Unordered, 1},
		{records(change("1", "a", "")), nil, lambdaevent.DynamoDBStream, pipeline.Stream, 1},
		{records(), nil, lambdaevent.Unknown, pipeline.Unordered, 0},
		{records(), []lambdaevent.Kind{lambdaevent.SQS}, lambdaevent.SQS, pipeline.Unordered, 0},
		{` {"other":{"Records":1},"Records" : [ ] } `, nil, lambdaevent.Unknown, pipeline.Unordered, 0},
	} {
		b := decode(t, c.payload, c.accept...)
		if b.Kind != c.kind || b.Order != c.order || len(b.Records) != c.records {
			t.Errorf("%.60s: got %v, order %d, %d records; want %v, %d, %d", c.payload, b.Kind, b.Order, len(b.Records), c.kind, c.order, c.records)
		}
	}
}

func TestInvalidRecordDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	b := decode(t, records(
		message("m-1", "one"),
		`{"messageId":"m-2","body":17,"attributes":[],"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"}`,
		`{"messageId":"m-3","body":"three","eventSource":"aws:kinesis","eventSourceARN":"arn:x"}`,
		`{"messageId":"m-4","body":"four"}`,
		message("m-5", "five"),
	))
	var got []string
	for _, r := range b.Records {
		got = append(got, fmt.Sprintf("%s %s %v", r.ID, r.Body, r.Err))
	}
	want := []string{
		"m-1 one <nil>",
		"m-2  event: Records[1].body is not a string",
		`m-3 three event: Records[2].eventSource is "aws:kinesis", want "aws:sqs" as in the first record`,
		`m-4 four event: Records[3].eventSource is "", want "aws:sqs" as in the first record`,
		"m-5 five <nil>",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAppendingToABodyKeepsTheNext(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		records(message("m-1", "one"), message("m-2", "two")),
		records(message("m-1", `"one"`), message("m-2", `"two"`)),
		records(change("1", "a", ""), change("2", "b", "")),
	} {
		want := string(decode(t, payload).Records[1].Body)
		for n := 1; n < len(payload); n += 20 {
			b := decode(t, payload)
			_ = append(b.Records[0].Body, strings.Repeat("!", n)...)
			if got := string(b.Records[1].Body); got != want {
				t.Fatalf("appending %d bytes to the first body changed the second to %q", n, got)
			}
		}
	}
}

// Decode estimates the number of records from the size of the first. A small first
// record must not reserve too much.
func TestSmallFirstRecordReservesAtMostABatch(t *testing.T) {
	t.Parallel()
	b := decode(t, records(`{"messageId":"m","body":"","eventSource":"aws:sqs"}`, message("m-2", strings.Repeat("x", 2<<20))))
	if len(b.Records) != 2 || cap(b.Records) > 10_000 {
		t.Errorf("got %d records with room for %d", len(b.Records), cap(b.Records))
	}
}
