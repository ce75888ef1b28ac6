package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sluice/deploy/eventsource/runtimeapi"
)

const (
	invocations = 40
	atOnce      = 8
)

// TestConcurrentInvocations runs several invocations at a time in one process, as
// Lambda does on managed instances. Each one responds for its own records, sends
// its own trace to AWS and logs its own request id. With the race detector, the
// binary is built with it as well.
func TestConcurrentInvocations(t *testing.T) {
	t.Parallel()
	binary := bootstrap(t, "messages")
	h := newHarness(t, nil)
	user := regexp.MustCompile(`user#(\d+)-(\w+)@example\.com`)
	var mu sync.Mutex
	traces := make(map[string][]string) // of requests, by the invocation of the user that they name
	db := proxy(t, h, func(req *http.Request, body []byte) bool {
		match := user.FindSubmatch(body)
		if match == nil {
			t.Errorf("request to DynamoDB: got %s, want one that names a user", body)
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		traces[string(match[1])] = append(traces[string(match[1])], req.Header.Get("X-Amzn-Trace-Id"))
		return string(match[2]) != "refused"
	})
	var out output
	p := launch(t, binary, environ(h, "AWS_ENDPOINT_URL_DYNAMODB="+db.URL, "PARALLEL=3", "SOURCE_QUEUE_URL=", "AWS_LAMBDA_LOG_FORMAT=JSON"),
		&runtimeapi.Options{Concurrency: atOnce, Timeout: 2 * patience, Output: &out})

	var wg sync.WaitGroup
	for n := range invocations {
		wg.Go(func() {
			ctx := withTrace(t.Context(), traceOf(n))
			ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: fmt.Sprintf("request-%d", n)})
			response, err := p.Invoke(ctx, registrations(n))
			if err != nil {
				t.Errorf("invocation %d: %v", n, err)
				return
			}
			if got, want := failures(t, response), []string{fmt.Sprintf("%d-refused", n)}; !slices.Equal(got, want) {
				t.Errorf("invocation %d: failures: got %v, want %v", n, got, want)
			}
		})
	}
	wg.Wait()
	p.Close() // out is complete after it
	if t.Failed() {
		t.Fatal(out.String())
	}
	for n := range invocations {
		sent := traces[fmt.Sprint(n)]
		if len(sent) == 0 || slices.ContainsFunc(sent, func(trace string) bool { return trace != traceOf(n) }) {
			t.Errorf("invocation %d: traces: got %v, want %s", n, sent, traceOf(n))
		}
	}
	wantOwnLines(t, out.String())
	o, err := h.Outcome(context.Background(), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Items) != 2*invocations || len(o.DeadLetters) != invocations {
		t.Errorf("got %d users and %d dead letters, want %d and %d", len(o.Items), len(o.DeadLetters), 2*invocations, invocations)
	}
}

func traceOf(n int) string {
	return fmt.Sprintf("Root=1-6901f2c5-%024x;Parent=%016x;Sampled=1", n+1, n+1)
}

// registrations is a batch with two users, one user whom the table refuses, and a
// malformed message.
func registrations(n int) []byte {
	var records []string
	for _, name := range []string{"ann", "refused", "ben", "broken"} {
		body := fmt.Sprintf(`{"type":"user-registration","id":"%d-%s","data":{"email":"%[1]d-%s@example.com","name":"x"}}`, n, name)
		if name == "broken" {
			body = body[:20]
		}
		records = append(records, fmt.Sprintf(`{"messageId":"%d-%s","receiptHandle":"h","body":%q,"attributes":{"ApproximateReceiveCount":"1"},`+
			`"messageAttributes":{},"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"}`, n, name, body))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// wantOwnLines checks that each invocation logged three lines under its own
// request id: of the dead letter, the failure and the batch.
func wantOwnLines(t *testing.T, log string) {
	t.Helper()
	lines := make(map[string]int)
	for text := range strings.Lines(log) {
		var line struct{ RequestID, ID, Message string }
		if json.Unmarshal([]byte(text), &line) != nil || line.RequestID == "" {
			continue
		}
		lines[line.RequestID]++
		n := strings.TrimPrefix(line.RequestID, "request-")
		if line.ID != "" && !strings.HasPrefix(line.ID, n+"-") {
			t.Errorf("record %s: logged under %s", line.ID, line.RequestID)
		}
	}
	for n := range invocations {
		if got := lines[fmt.Sprintf("request-%d", n)]; got != 3 {
			t.Errorf("invocation %d: got %d lines, want 3", n, got)
		}
	}
}
