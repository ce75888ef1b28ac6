package main

import (
	"errors"
	"strings"
	"testing"

	"sluice/deploy/eventsource/runtimeapi"
	"sluice/deploy/functions"
)

// TestAnotherPayloadIsAFunctionError invokes workers with payloads that are not
// events of theirs. The error has a type that an alarm can filter on, and the
// process continues.
func TestAnotherPayloadIsAFunctionError(t *testing.T) {
	const sqs = `{"Records":[{"messageId":"m-1","body":"{}","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"}]}`
	const stream = `{"Records":[{"eventID":"e-1","eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"1","Keys":{"PK":{"S":"a"}}}}]}`
	for _, worker := range functions.MappedWorkers() {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			p := launch(t, bootstrap(t, worker), startSettings, nil)
			other := stream
			if worker == "changes" {
				other = sqs
			}
			for payload, want := range map[string]string{
				`{"hello":"world"}`: "Records is missing",
				`"text"`:            "is not an object",
				`null`:              "Records is missing",
				other:               "eventSource",
			} {
				_, err := p.Invoke(t.Context(), []byte(payload))
				got, ok := errors.AsType[*runtimeapi.FunctionError](err)
				if !ok || got.Type != "EventError" || !strings.Contains(got.Message, want) || got.StackTrace != nil {
					t.Errorf("%s: got %#v, want an EventError: %s", payload, err, want)
				}
			}
			if response, err := p.Invoke(t.Context(), []byte(`{"Records":[]}`)); err != nil {
				t.Errorf("afterwards: got %s and %v", response, err)
			}
		})
	}
}

// TestFailureWithoutPartialResponsesIsAFunctionError fails a record of an event of
// S3, which has no partial responses. The error has a type of its own.
func TestFailureWithoutPartialResponsesIsAFunctionError(t *testing.T) {
	t.Parallel()
	event := recordedEvent(t, "uploads/put-direct")
	binary := bootstrap(t, "uploads")
	refused := newServer(t, denied)
	p := launch(t, binary, environ(newHarness(t, event), "AWS_ENDPOINT_URL_S3="+refused.URL, "DEAD_LETTER_QUEUE_URL=http://127.0.0.1/dead"), nil)
	_, err := p.Invoke(t.Context(), event)
	got, ok := errors.AsType[*runtimeapi.FunctionError](err)
	if !ok || got.Type != "FailedError" || !strings.Contains(got.Message, "1 of 1 S3 records failed") {
		t.Errorf("got %v, want a FailedError", err)
	}
}
