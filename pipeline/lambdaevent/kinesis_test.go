package lambdaevent_test

import (
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

func TestKinesisRecords(t *testing.T) {
	t.Parallel()
	b := decode(t, string(read(t, "testdata/kinesis.json")), lambdaevent.KinesisStream)
	if b.Order != pipeline.Stream || b.Source != "arn:aws:kinesis:us-east-1:123456789012:stream/clicks" || len(b.Records) != 3 {
		t.Fatalf("got order %d, source %q, %d records", b.Order, b.Source, len(b.Records))
	}
	r := b.Records[0]
	if r.ID != "49568167373333333333333333333333333333333333333333333333" || r.Cause != "shardId-000000000000:"+r.ID || r.Group != "s1" || string(r.Body) != "Hello World" || r.Err != nil {
		t.Errorf("got %+v", r)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 5, 477e6, time.UTC); !r.At.Equal(want) {
		t.Errorf("got at %v, want %v", r.At, want)
	}
	if r := b.Records[1]; r.Err == nil || !strings.HasPrefix(r.Err.Error(), "event: Records[1].kinesis.data is not base64") || r.Group != "s2" {
		t.Errorf("got %+v", r)
	}
	// Empty data is valid.
	if r := b.Records[2]; r.Err != nil || r.Body == nil || len(r.Body) != 0 {
		t.Errorf("got %+v", r)
	}
	a, err := b.Response(pipeline.Result{Outcomes: []pipeline.Outcome{
		{Record: b.Records[0], Status: pipeline.Done},
		{Record: b.Records[1], Status: pipeline.Failed, Err: b.Records[1].Err},
		{Record: b.Records[2], Status: pipeline.NotStarted},
	}})
	if err != nil || string(a) != failures(b.Records[1].ID) {
		t.Errorf("got %s and %v", a, err)
	}
}

func TestKinesisRejectsInvalidFields(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"eventSource":"aws:kinesis","eventID":"e","kinesis":{"sequenceNumber":"1"}}`:                   "kinesis.data is missing",
		`{"eventSource":"aws:kinesis","eventID":"e","kinesis":{"sequenceNumber":"1","data":null}}`:       "kinesis.data is missing",
		`{"eventSource":"aws:kinesis","eventID":"e","kinesis":{"sequenceNumber":"1","data":5}}`:          "kinesis.data is not a string",
		`{"eventSource":"aws:kinesis","kinesis":{"sequenceNumber":"1","data":""}}`:                       "eventID is missing",
		`{"eventSource":"aws:kinesis","eventID":"e","kinesis":{"sequenceNumber":"1","data":"YQ"}}`:       "kinesis.data is not base64",
		`{"eventSource":"aws:kinesis","eventID":"e","kinesis":{"sequenceNumber":"1","partitionKey":[]}}`: "kinesis.partitionKey is not a string",
	} {
		if err := decode(t, records(payload)).Records[0].Err; err == nil || !strings.HasPrefix(err.Error(), "event: Records[0]."+want) {
			t.Errorf("%s: got %v, want %s", payload, err, want)
		}
	}
}
