package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/replay/harness"
)

// TestOperationsOfARecord compares the operations of the model with the calls
// of the workers.
func TestOperationsOfARecord(t *testing.T) {
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
					t.Errorf("got a call of %s.%s, which the model does not count", service, operation)
				}
				return nil
			})
			worker, _, _ := strings.Cut(file, "/")
			invoke, err := r.Worker(worker, nil)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := invoke(t.Context(), event); err != nil || string(response) != `{"batchItemFailures":[]}` {
				t.Fatalf("got the response %s and the error %v", response, err)
			}
			if got != want {
				t.Errorf("operations of one record: got %+v, want %+v as in the model", got, want)
			}
		})
	}
}
