package sqsserver_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/local/store"
)

// envMemoryMessages is the number of messages of TestMemoryDoesNotGrow, for example
// a million.
const envMemoryMessages = "SLUICE_MEMORY_MESSAGES"

// TestMemoryDoesNotGrow compares heap, goroutines and file after all messages with
// those after a tenth of them.
func TestMemoryDoesNotGrow(t *testing.T) {
	total := 30_000
	if v := os.Getenv(envMemoryMessages); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("%s: %v", envMemoryMessages, err)
		}
		total = n
	} else if testing.Short() {
		t.Skip("takes a while")
	}
	db, err := store.Open(t.TempDir(), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s := serviceOver(t, db)
	out, err := newClient("http://sqs.test", inProcess{s}).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	p := newRawPath("http://sqs.test", *out.QueueUrl, 10, &http.Client{Transport: transport{inProcess{s}}})
	measure := func() (heap uint64, goroutines int, file int64) {
		runtime.GC()
		runtime.GC() // the second empties the pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		size, err := db.Size()
		if err != nil {
			t.Fatal(err)
		}
		return m.HeapAlloc, runtime.NumGoroutine(), size
	}
	var heap uint64
	var goroutines int
	var file int64
	for done := 0; done < total; {
		if err := p.send(t.Context()); err != nil {
			t.Fatal(err)
		}
		hs, err := p.receive(t.Context())
		if err == nil {
			err = p.delete(t.Context(), hs)
		}
		if err != nil {
			t.Fatal(err)
		}
		done += len(hs)
		if done == total/10 {
			heap, goroutines, file = measure()
		}
	}
	heap2, goroutines2, file2 := measure()
	report := fmt.Sprintf("after %d and %d messages: heap %d and %d bytes, goroutines %d and %d, file %d and %d bytes",
		total/10, total, heap, heap2, goroutines, goroutines2, file, file2)
	t.Log(report)
	if heap2 > heap+heap/20+64<<10 || goroutines2 > goroutines || file2 > file+file/20 {
		t.Error(report)
	}
}

// transport is inProcess for an http.Client.
type transport struct{ inProcess }

func (c transport) RoundTrip(r *http.Request) (*http.Response, error) { return c.Do(r) }
