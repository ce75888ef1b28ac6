package harness

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func queueEvent(ids ...string) []byte {
	var records []string
	for _, id := range ids {
		records = append(records, fmt.Sprintf(`{"messageId":%q,"body":"{}","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"}`, id))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func streamEvent(sequences ...string) []byte {
	var records []string
	for _, s := range sequences {
		records = append(records, fmt.Sprintf(`{"eventID":"e%s","eventName":"REMOVE","eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":%q,"Keys":{"PK":{"S":"p"},"SK":{"S":"s"}}}}`, s, s))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func TestOutcomeOfEachRecord(t *testing.T) {
	t.Parallel()
	letter := []Letter{{ID: "2", Reason: "why"}}
	for _, c := range []struct {
		name  string
		event []byte
		o     Outcome
		want  []string
	}{
		{"all done", queueEvent("1", "2"), Outcome{Answer: json.RawMessage(`{"batchItemFailures":[]}`)}, []string{"done", "done"}},
		{"one comes back", queueEvent("1", "2", "3"), Outcome{Answer: json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`)}, []string{"done", "comes back", "done"}},
		{"one is a letter", queueEvent("1", "2"), Outcome{Answer: json.RawMessage(`{"batchItemFailures":[]}`), DeadLetters: letter}, []string{"done", "dead-lettered: why"}},
		{"a letter that comes back", queueEvent("1", "2"), Outcome{Answer: json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`), DeadLetters: letter}, []string{"done", "comes back"}},
		{"a stream comes back from its lowest failure on", streamEvent("1", "2", "3"), Outcome{Answer: json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`)}, []string{"done", "comes back", "comes back"}},
		{"the invocation failed", queueEvent("1", "2"), Outcome{Error: "no"}, []string{"comes back", "comes back"}},
		{"an answer that is none", queueEvent("1"), Outcome{Answer: json.RawMessage(`{`)}, []string{"comes back"}},
		{"an event that is none", []byte(`{`), Outcome{}, nil},
	} {
		var got []string
		c.o.Records = recordOutcomes(c.event, c.o)
		failed := c.o.Error != ""
		for _, r := range c.o.Records {
			text := r.Became
			if r.Reason != "" {
				text += ": " + r.Reason
			}
			got = append(got, text)
			failed = failed || r.Became != becameDone
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if c.o.Failed() != failed {
			t.Errorf("%s: Failed: got %v, want %v", c.name, c.o.Failed(), failed)
		}
	}
}

func TestOutcomeStable(t *testing.T) {
	t.Parallel()
	o := Outcome{
		Objects: []Object{{Key: "k", Bytes: 99}},
		Sent: []Sent{
			{"jobs", json.RawMessage(`{"type":"t","data":{"thumbnails":[{"key":"k","bytes":99}],"n":12345678901234567890}}`)},
			{"jobs", json.RawMessage(`not JSON`)},
		},
	}
	s := o.Stable()
	if s.Objects[0].Bytes != 0 || string(s.Sent[0].Message) != `{"data":{"n":12345678901234567890,"thumbnails":[{"key":"k"}]},"type":"t"}` || string(s.Sent[1].Message) != "not JSON" {
		t.Errorf("got %+v", s)
	}
	if o.Objects[0].Bytes != 99 || !strings.Contains(string(o.Sent[0].Message), "99") {
		t.Errorf("the outcome itself was changed: %+v", o)
	}
}
