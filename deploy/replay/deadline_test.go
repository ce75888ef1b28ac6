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

// TestDeadline: when time runs out, because a service does not answer, the
// worker answers before the deadline and gives back what is not done: all of a
// queue's batch, and of a stream's the lowest.
func TestDeadline(t *testing.T) {
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
			p := launch(t, binary, environ(newRig(t, event), tt.hangs+"="+silent.URL, "RESERVE=2s", "AWS_LAMBDA_LOG_FORMAT=JSON"), &runtimeapi.Options{Output: &out})

			const timeout = 3 * time.Second // a second of work, a second for its end, half a second for the answer
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			answer, err := p.Invoke(ctx, event)
			if err != nil {
				t.Fatalf("got %v, want an answer in time", err)
			}
			if got := failures(t, answer); !slices.Equal(got, want) {
				t.Errorf("given back: got %v, want %v", got, want)
			}

			// Less time than the reserve: half of it is for the work.
			ctx, cancel = context.WithTimeout(t.Context(), timeout/2)
			defer cancel()
			asked := len(silent.asked)
			answer, err = p.Invoke(ctx, event)
			if err != nil {
				t.Fatalf("the second time: got %v, want an answer in time", err)
			}
			if got := failures(t, answer); !slices.Equal(got, want) {
				t.Errorf("the second time given back: got %v, want %v", got, want)
			}
			if len(silent.asked) == asked {
				t.Error("the second time nothing was begun")
			}
			p.Close() // all it wrote is here now
			if given := fmt.Sprintf(`"not_started":%d,`, len(batch.Records)-1); strings.Count(out.String(), given) != 2 {
				t.Errorf("the log does not count %s twice: %s", given, out.String())
			}
			if warning := "reserve leaves no time for the work"; strings.Count(out.String(), warning) != 1 {
				t.Errorf("the log does not say %q once: %s", warning, out.String())
			}
		})
	}
}

// failures are the ids that an answer names.
func failures(t *testing.T, answer []byte) []string {
	t.Helper()
	var a struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	var ids []string
	for _, f := range a.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}
