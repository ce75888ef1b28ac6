package objectstore_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

// The event has the fields that S3 sends to a queue.
func TestEventFields(t *testing.T) {
	t.Parallel()
	var events []string
	o := objectstore.Options{
		Region: "eu-west-1",
		Now:    func() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC) },
		OnEvent: func(_ *bbolt.Tx, b string, event []byte) error {
			events = append(events, b+" "+string(event))
			return nil
		},
	}
	h := s3test.New(t, t.TempDir(), o, store.Options{NoSync: true})
	h.Put(t, "in/a b+ü.jpg", "hello")
	want := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-03-04T12:00:00.123Z",` +
		`"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"sluice"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},` +
		`"responseElements":{"x-amz-id-2":"ID","x-amz-request-id":"ID"},"s3":{"s3SchemaVersion":"1.0","configurationId":"sluice",` +
		`"bucket":{"name":"uploads","ownerIdentity":{"principalId":"sluice"},"arn":"arn:aws:s3:::uploads"},` +
		`"object":{"key":"in/a+b%2B%C3%BC.jpg","size":5,"eTag":"5d41402abc4b2a76b9719d911017c592","sequencer":"000000000000000001"}}}]}`
	if len(events) != 1 {
		t.Fatalf("events %v", events)
	}
	b, event, _ := strings.Cut(events[0], " ")
	id := s3test.ParseEvent(t, []byte(event))[0].ResponseElements["x-amz-request-id"]
	if got := strings.ReplaceAll(event, id, "ID"); got != want || b != bucket || id == "" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	h.Put(t, "empty", "")
	if !strings.Contains(events[1], `"size":0,`) {
		t.Errorf("an empty object has no size: %s", events[1])
	}
}

// An upload whose event cannot be stored is refused: no worker would ever see the
// object.
func TestRefusedEventStoresNothing(t *testing.T) {
	t.Parallel()
	fail := true
	o := objectstore.Options{OnEvent: func(tx *bbolt.Tx, b string, event []byte) error {
		if fail {
			return errors.New("no queue")
		}
		return s3test.RecordEvent(tx, b, event)
	}}
	h := s3test.New(t, t.TempDir(), o, store.Options{NoSync: true})
	_, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x")})
	s3test.WantCode(t, err, "InternalError")
	h.Missing(t, "k")
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
	fail = false
	h.Put(t, "k", "x")
	if n := len(h.Events(t)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// The last event of a key by sequencer describes the stored object, also after
// concurrent writes.
func TestSequencerOrdersChanges(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				h.Put(t, "k", strings.Repeat("x", i+1))
			}
		})
	}
	wg.Wait()
	events := h.Events(t)
	if len(events) != 80 {
		t.Fatalf("%d events, want 80", len(events))
	}
	last := events[0]
	for _, e := range events[1:] {
		if e.S3.Object.Sequencer <= last.S3.Object.Sequencer {
			t.Fatalf("sequencer %s comes after %s", e.S3.Object.Sequencer, last.S3.Object.Sequencer)
		}
		last = e
	}
	if body, _ := h.Get(t, "k"); int64(len(body)) != *last.S3.Object.Size {
		t.Errorf("the key holds %d bytes, its last event has %d", len(body), *last.S3.Object.Size)
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies, want 1", n)
	}
}

func TestChangesWithoutOnEvent(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.TempDir(), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := objectstore.Open(db, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]int{"PUT": 200, "DELETE": 204} {
		w := httptest.NewRecorder()
		s3server.New(s, s3server.Options{}).ServeHTTP(w, httptest.NewRequest(method, "/"+bucket+"/k", strings.NewReader("x")))
		if w.Code != want {
			t.Errorf("%s: got %d %s, want %d", method, w.Code, w.Body, want)
		}
	}
}
