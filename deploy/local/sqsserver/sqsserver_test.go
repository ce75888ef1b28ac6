package sqsserver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/sqsserver/sqstest"
	"sluice/deploy/local/store"
)

// inProcess serves requests without a network, so that testing/synctest sees which
// goroutines wait.
type inProcess struct{ h http.Handler }

func (c inProcess) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Host = r.URL.Host
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func newService(t testing.TB, o store.Options) *sqsserver.Service {
	t.Helper()
	db, err := store.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return serviceOver(t, db)
}

// serviceOver returns a service that is closed with its store when the test ends.
func serviceOver(t testing.TB, db *store.DB) *sqsserver.Service {
	t.Helper()
	s, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newClient(endpoint string, h sqs.HTTPClient) *sqs.Client {
	return sqs.NewFromConfig(aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, func(o *sqs.Options) {
		o.BaseEndpoint = &endpoint
		o.RetryMaxAttempts = 1
		if h != nil {
			o.HTTPClient = h
		}
	})
}

// TestSuite runs every case inside synctest.
func TestSuite(t *testing.T) {
	t.Parallel()
	sqstest.Run(t, sqstest.Target{With: func(t *testing.T, check func(*testing.T, *sqs.Client)) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newService(t, store.Options{NoSync: true})
			check(t, newClient("http://sqs.test", inProcess{s}))
		})
	}})
}

// TestSuiteOverHTTP runs the cases over real connections, as far as they do not
// sleep.
func TestSuiteOverHTTP(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(newService(t, store.Options{}))
	t.Cleanup(srv.Close)
	client := newClient(srv.URL, nil)
	sqstest.Run(t, sqstest.Target{MaxSleep: -1, With: func(t *testing.T, check func(*testing.T, *sqs.Client)) {
		t.Parallel()
		check(t, client)
	}})
}

func TestSendTx(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer s.Close()
	ctx := context.Background()
	if err := s.Create(ctx, "q", map[string]string{"VisibilityTimeout": "5"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "q", nil); err != nil {
		t.Errorf("again: %v", err)
	}
	boom := errors.New("boom")
	err = db.Update(ctx, func(tx *bbolt.Tx) error {
		if err := s.SendTx(tx, "q", "rolled back"); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		t.Fatal(err)
	}
	for _, body := range []string{"a", "b"} {
		if err := db.Update(ctx, func(tx *bbolt.Tx) error { return s.SendTx(tx, "q", body) }); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s.QueueStats("q")
	if err != nil || st.Ready != 2 || st.InFlight != 0 {
		t.Errorf("got %+v, %v, want two messages", st, err)
	}
	err = db.Update(ctx, func(tx *bbolt.Tx) error { return s.SendTx(tx, "no", "x") })
	if e, ok := err.(*sqserr.Error); !ok || e.Type != "QueueDoesNotExist" {
		t.Errorf("no queue: got %v", err)
	}
	if got, want := s.ARN("q"), "arn:aws:sqs:us-east-1:000000000000:q"; got != want {
		t.Errorf("ARN: got %s, want %s", got, want)
	}
}
