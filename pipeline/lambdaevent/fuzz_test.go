package lambdaevent_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
)

func rawRecords(t testing.TB, payload []byte) []string {
	t.Helper()
	var event struct{ Records []json.RawMessage }
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range event.Records {
		all = append(all, string(r))
	}
	return all
}

func seed(f *testing.F) {
	for _, worker := range []string{"uploads", "messages", "changes"} {
		for _, path := range recorded(f, worker) {
			f.Add(read(f, path))
		}
	}
	f.Add(read(f, "testdata/kinesis.json"))
}

// FuzzDecode checks for any payload that Decode does not panic, that it returns an
// *EventError or records with ids, that there is a response, and that SQS
// records have the strings that encoding/json decodes.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := lambdaevent.Decode(payload)
		if err != nil {
			if _, ok := errors.AsType[*lambdaevent.EventError](err); !ok {
				t.Fatalf("error %T", err)
			}
			return
		}
		if !json.Valid(payload) {
			t.Fatal("got no error for invalid JSON")
		}
		for i, r := range b.Records {
			if r.ID == "" {
				t.Fatalf("record %d has no id", i)
			}
			if b.Kind == lambdaevent.DynamoDBStream && r.Err == nil {
				_, _ = streamchange.Decode(r)
			}
			_, _ = lambdaevent.S3Events(r.Body)
		}
		if _, err := b.Response(pipeline.Run(t.Context(), b.Records, func(context.Context, pipeline.Record) error { return nil }, pipeline.Options{Order: b.Order})); err != nil {
			// Only a source without partial response returns an error.
			if _, ok := errors.AsType[*lambdaevent.FailedError](err); !ok {
				t.Fatal(err)
			}
		}
		if b.Kind == lambdaevent.SQS {
			agreeWithEncodingJSON(t, payload)
		}
	})
}

// agreeWithEncodingJSON compares the batch with the type of aws-lambda-go if that
// can decode the event. encoding/json merges names that appear twice or differ in
// case only, so both decode a payload without such names.
func agreeWithEncodingJSON(t *testing.T, payload []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(withoutOddNames(v))
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	b, err := lambdaevent.Decode(plain)
	if err != nil || json.Unmarshal(plain, &event) != nil {
		return
	}
	for i, m := range event.Records {
		r := b.Records[i]
		if r.ID != m.MessageId || r.Source != m.EventSourceARN || string(r.Body) != m.Body || r.Attrs[lambdaevent.AttrReceiptHandle] != m.ReceiptHandle {
			t.Fatalf("record %d: got %+v, encoding/json reads %+v", i, r, m)
		}
	}
}

func withoutOddNames(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			for _, known := range []string{"Records", "messageId", "receiptHandle", "body", "eventSourceARN"} {
				if strings.EqualFold(name, known) && name != known {
					delete(v, name)
				}
			}
			withoutOddNames(inner)
		}
	case []any:
		for _, inner := range v {
			withoutOddNames(inner)
		}
	}
	return v
}

// FuzzInvalidRecord puts any JSON between two valid messages. Either both are
// decoded, or the error of the event names the invalid record.
func FuzzInvalidRecord(f *testing.F) {
	for _, worker := range []string{"uploads", "messages", "changes"} {
		for _, path := range recorded(f, worker) {
			for _, raw := range rawRecords(f, read(f, path)) {
				f.Add([]byte(raw))
			}
		}
	}
	f.Add([]byte(`{"messageId":"m","body":{},"attributes":7}`))
	first, last := message("m-first", "one"), message("m-last", "three")
	f.Fuzz(func(t *testing.T, record []byte) {
		if !json.Valid(record) {
			return
		}
		b, err := lambdaevent.Decode([]byte(records(first, string(record), last)), lambdaevent.SQS)
		if err != nil {
			e, ok := errors.AsType[*lambdaevent.EventError](err)
			if !ok || e.Field != "Records[1].messageId" {
				t.Fatalf("got %v, want an error only for a record without an id", err)
			}
			return
		}
		if len(b.Records) != 3 {
			t.Fatalf("got %d records", len(b.Records))
		}
		for i, want := range map[int]string{0: "one", 2: "three"} {
			if r := b.Records[i]; r.Err != nil || string(r.Body) != want {
				t.Fatalf("record %d became %+v", i, r)
			}
		}
	})
}

// FuzzS3Events checks that S3Events returns either a Permanent error or events with
// a bucket and a key.
func FuzzS3Events(f *testing.F) {
	for _, path := range recorded(f, "uploads") {
		b, err := lambdaevent.Decode(read(f, path))
		if err != nil {
			f.Fatal(err)
		}
		for _, r := range b.Records {
			f.Add(r.Body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := lambdaevent.S3Events(body)
		if err != nil {
			if !pipeline.IsPermanent(err) || events != nil {
				t.Fatalf("got %v with %v", events, err)
			}
			return
		}
		if (len(events) == 0) != isTestEvent(body) {
			t.Fatal("got no events, but IsTest is false")
		}
		for _, n := range events {
			if n.Bucket == "" || n.Key == "" || n.EventName == "" {
				t.Fatalf("got %+v", n)
			}
			n.Cause()
		}
	})
}
