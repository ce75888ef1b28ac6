package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/replay/harness"
)

// TestOperations holds what the model counts for a record to what the workers
// ask of AWS for it.
func TestOperations(t *testing.T) {
	t.Parallel()
	const testdata = "../../../testdata"
	for file, want := range map[string]operations{
		"uploads/put-in-queue": picture, "messages/image-processed": imageJob, "messages/user-registration": registration,
		"messages/order-processing": order, "changes/user-pending-inserted": change, "messages/notification": mail,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			event, err := os.ReadFile(filepath.Join(testdata, "events", file+".json"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := harness.New(t.Context(), testdata, event)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			r.Set("THUMBNAIL_SIZES", "200x200") // the template's default
			var mu sync.Mutex
			var got operations
			r.Observe(func(service, operation, resource string) error {
				mu.Lock()
				defer mu.Unlock()
				switch service + "." + operation {
				case "DynamoDB.GetItem":
					*map[string]*float64{"records": &got.recordGets, "state": &got.stateGets}[resource]++
				case "DynamoDB.PutItem":
					*map[string]*float64{"records": &got.recordPuts, "state": &got.statePuts}[resource]++
				case "SQS.SendMessage", "SQS.SendMessageBatch":
					got.sends++
				case "S3.GetObject", "S3.HeadObject":
					got.objectReads++
				case "S3.PutObject":
					got.objectWrites++
				default:
					t.Errorf("%s.%s is nothing that the model counts", service, operation)
				}
				return nil
			})
			worker, _, _ := strings.Cut(file, "/")
			invoke, err := r.Worker(worker, nil)
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := invoke(t.Context(), event); err != nil || string(answer) != `{"batchItemFailures":[]}` {
				t.Fatalf("%s %v", answer, err)
			}
			if got != want {
				t.Errorf("one record asks for %+v, the model counts %+v", got, want)
			}
		})
	}
}
