package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"sluice/deploy/eventsource/runtimeapi"
	"sluice/deploy/replay/harness"
)

// withTrace returns a context with the X-Ray trace header of an invocation.
func withTrace(ctx context.Context, header string) context.Context {
	//lint:ignore SA1029 aws-lambda-go has no type for this key
	return context.WithValue(ctx, "x-amzn-trace-id", header)
}

// TestTraceOfTheInvocationAndTheMessage checks that a worker's requests carry the
// trace of the invocation, which SQS passes on as AWSTraceHeader, and that a
// message carries the trace of the message that caused it, as traceparent.
func TestTraceOfTheInvocationAndTheMessage(t *testing.T) {
	t.Parallel()
	const (
		invocation = "Root=1-6901f2c5-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1;Lineage=1:abc:0"
		message    = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
		w3c        = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
	)
	event := recordedEvent(t, "uploads/put-in-queue")
	traced := []byte(strings.Replace(string(event), `"attributes": {`, `"attributes": {"AWSTraceHeader": "`+message+`",`, 1))
	if string(traced) == string(event) {
		t.Fatal("the event has no attributes")
	}
	h := newHarness(t, event)
	headers := make(chan string, 100)
	sqs := proxy(t, h, func(req *http.Request, _ []byte) bool { headers <- req.Header.Get("X-Amzn-Trace-Id"); return true })
	p := launch(t, bootstrap(t, "uploads"), environ(h, "AWS_ENDPOINT_URL_SQS="+sqs.URL), &runtimeapi.Options{Timeout: patience})
	response, err := p.Invoke(withTrace(t.Context(), invocation), traced)
	o, outcomeErr := h.Outcome(t.Context(), traced, response, err)
	if err != nil || outcomeErr != nil || len(o.Sent) != 1 {
		t.Fatalf("got %+v, %v, %v, want one message", o, err, outcomeErr)
	}
	var sent struct{ TraceParent string }
	if err := json.Unmarshal(o.Sent[0].Message, &sent); err != nil || sent.TraceParent != w3c {
		t.Errorf("traceparent of the message: got %q, want %q", sent.TraceParent, w3c)
	}
	close(headers)
	n := 0
	for got := range headers {
		if n++; got != invocation {
			t.Errorf("trace of a request to SQS: got %q, want %q", got, invocation)
		}
	}
	if n == 0 {
		t.Error("SQS: got no request")
	}
}

// proxy starts a server that passes requests on to the harness as forward does.
func proxy(t *testing.T, h *harness.Harness, see func(req *http.Request, body []byte) bool) *server {
	t.Helper()
	return newServer(t, forward(t, h.Settings()["AWS_ENDPOINT_URL"], see))
}
