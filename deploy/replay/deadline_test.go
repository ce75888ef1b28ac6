package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/deploy/eventsource/runtimeapi"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

// TestWorkersRespondBeforeTheDeadline runs workers on a service that does not
// respond. They respond before the deadline and report what is not done: all
// messages of a queue, and the first record of a stream.
func TestWorkersRespondBeforeTheDeadline(t *testing.T) {
	for worker, tt := range map[string]struct{ event, hangs string }{
		"uploads":  {"uploads/all-formats-in-queue", "AWS_ENDPOINT_URL_S3"},
		"changes":  {"changes/order-through-its-steps", "AWS_ENDPOINT_URL_SQS"},
		"messages": {"messages/fair-queue", "AWS_ENDPOINT_URL_DYNAMODB"},
	} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			event := recordedEvent(t, tt.event)
			batch, err := lambdaevent.Decode(event)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, r := range batch.Records {
				want = append(want, r.ID)
			}
			if batch.Order == pipeline.Stream {
				want = want[:1]
			}
			binary, silent := bootstrap(t, worker), newServer(t, nil)
			var out output
			p := launch(t, binary, environ(newHarness(t, event), tt.hangs+"="+silent.URL, "RESERVE=2s", "AWS_LAMBDA_LOG_FORMAT=JSON"), &runtimeapi.Options{Output: &out})

			const timeout = 3 * time.Second // 1 s to work, 1 s to stop the handlers, 0.5 s for the response
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			response, err := p.Invoke(ctx, event)
			if err != nil {
				t.Fatalf("got %v, want a response in time", err)
			}
			if got := failures(t, response); !slices.Equal(got, want) {
				t.Errorf("failures: got %v, want %v", got, want)
			}

			// With less time than the reserve, half of it is for the work.
			ctx, cancel = context.WithTimeout(t.Context(), timeout/2)
			defer cancel()
			requests := len(silent.requests)
			response, err = p.Invoke(ctx, event)
			if err != nil {
				t.Fatalf("the second time: got %v, want a response in time", err)
			}
			if got := failures(t, response); !slices.Equal(got, want) {
				t.Errorf("the second time: failures: got %v, want %v", got, want)
			}
			if len(silent.requests) == requests {
				t.Error("the second time: got no request to the backend")
			}
			p.Close() // out is complete after it
			if notStarted := fmt.Sprintf(`"not_started":%d,`, len(batch.Records)-1); strings.Count(out.String(), notStarted) != 2 {
				t.Errorf("log: got %s, want %s in it twice", out.String(), notStarted)
			}
			if warning := "reserve leaves no time for the work"; strings.Count(out.String(), warning) != 1 {
				t.Errorf("log: got %s, want %q in it once", out.String(), warning)
			}
		})
	}
}

// failures returns the ids that a response names.
func failures(t *testing.T, response []byte) []string {
	t.Helper()
	var decoded struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(response, &decoded); err != nil {
		t.Fatalf("response %q: %v", response, err)
	}
	var ids []string
	for _, f := range decoded.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}
