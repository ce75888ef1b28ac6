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

// FuzzDecode holds Decode to its promises for any payload: no panic, a typed
// error or records that can each be named, an answer, and for SQS the strings
// that encoding/json reads.
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
			t.Fatal("decoded what is not JSON")
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
			// Only a source without partial answers makes an error of a bad record.
			if _, ok := errors.AsType[*lambdaevent.FailedError](err); !ok {
				t.Fatal(err)
			}
		}
		if b.Kind == lambdaevent.SQS {
			agreeWithEncodingJSON(t, payload)
		}
	})
}

// agreeWithEncodingJSON compares with aws-lambda-go's type, where that can read
// the event at all: one odd field makes it fail as a whole. A name that appears
// twice, or that differs from a field's in case only, is another matter there, so
// both read the payload as it is without those.
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

// FuzzOneBadRecord puts any JSON between two good messages: they must come
// through, or the event be refused as a whole with an error that says where.
func FuzzOneBadRecord(f *testing.F) {
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
				t.Fatalf("got %v, want the one thing that cannot be answered for", err)
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

// FuzzS3Notices: no panic, and either an error that is Permanent or notices that
// name a bucket and a key.
func FuzzS3Notices(f *testing.F) {
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
		notices, err := lambdaevent.S3Events(body)
		if err != nil {
			if !pipeline.IsPermanent(err) || notices != nil {
				t.Fatalf("got %v with %v", notices, err)
			}
			return
		}
		if (len(notices) == 0) != lambdaevent.IsTest(body) {
			t.Fatal("no notices, and no test event")
		}
		for _, n := range notices {
			if n.Bucket == "" || n.Key == "" || n.EventName == "" {
				t.Fatalf("got %+v", n)
			}
			n.Cause()
		}
	})
}
