package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	dead := []DeadLetter{{ID: "2", Reason: "why"}}
	for _, c := range []struct {
		name  string
		event []byte
		o     Outcome
		want  []string
	}{
		{"all done", queueEvent("1", "2"), Outcome{Response: json.RawMessage(`{"batchItemFailures":[]}`)}, []string{"done", "done"}},
		{"one comes back", queueEvent("1", "2", "3"), Outcome{Response: json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`)}, []string{"done", "comes back", "done"}},
		{"one is a dead letter", queueEvent("1", "2"), Outcome{Response: json.RawMessage(`{"batchItemFailures":[]}`), DeadLetters: dead}, []string{"done", "dead-lettered: why"}},
		{"a dead letter whose record comes back", queueEvent("1", "2"), Outcome{Response: json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`), DeadLetters: dead}, []string{"done", "comes back"}},
		{"a stream comes back from its lowest failure on", streamEvent("1", "2", "3"), Outcome{Response: json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`)}, []string{"done", "comes back", "comes back"}},
		{"the invocation failed", queueEvent("1", "2"), Outcome{Error: "no"}, []string{"comes back", "comes back"}},
		{"a malformed response", queueEvent("1"), Outcome{Response: json.RawMessage(`{`)}, []string{"comes back"}},
		{"a malformed event", []byte(`{`), Outcome{}, nil},
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

func TestStableLeavesOutThumbnailSizes(t *testing.T) {
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
		t.Errorf("Stable changed the outcome: %+v", o)
	}
}

// TestOutcomeSurvivesALostResponse loses the response of the first receive of dead
// letters, which leaves them in flight.
func TestOutcomeSurvivesALostResponse(t *testing.T) {
	t.Parallel()
	payload := recorded(t, "messages/data-that-is-not-valid.json")
	h, err := New(t.Context(), testdata, payload)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	lost := 0
	server := h.server.Config.Handler
	h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") && lost == 0 {
			lost++
			server.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		server.ServeHTTP(w, r)
	})
	invoke, err := h.Worker("messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, failure := invoke(t.Context(), payload)
	o, err := h.Outcome(t.Context(), payload, response, failure)
	if err != nil {
		t.Fatal(err)
	}
	if lost == 0 || len(o.DeadLetters) != 5 || o.Records[0].Became != becameDeadLettered {
		t.Errorf("%d lost responses: got %+v, want 5 dead letters", lost, o)
	}
}
