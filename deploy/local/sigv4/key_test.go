package sigv4_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sluice/deploy/local/sigv4"
)

// signed returns a signed request with body, as a server receives it.
func signed(tb testing.TB, service, region, body string, at time.Time) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "http://stack.test/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	if err := v4.NewSigner().SignHTTP(tb.Context(), sdkCreds(creds), r, sha(body), service, region, at); err != nil {
		tb.Fatal(err)
	}
	return r
}

// TestSigningKeyIsPerScope sends requests of two days and two regions through
// one handler, each scope more than once.
func TestSigningKeyIsPerScope(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	handler := sigv4.Require(creds, sigv4.Options{Service: "sqs", Now: func() time.Time { return midnight }},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	for range 2 {
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			for _, at := range []time.Time{midnight.Add(-time.Second), midnight, midnight} {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, signed(t, "sqs", region, "x", at))
				if w.Code != http.StatusAccepted {
					t.Errorf("%s at %v: got %d %s, want 202", region, at, w.Code, w.Body)
				}
			}
		}
	}
}

// TestBodiesShareNoMemory reads bodies through Read and Bytes, in consecutive
// and in nested requests.
func TestBodiesShareNoMemory(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	bodies := []string{"first", strings.Repeat("second ", 100_000), "", "fourth"}
	check := func(r *http.Request, want string) {
		t.Helper()
		b, ok := r.Body.(*sigv4.Body)
		if !ok {
			t.Fatalf("the body is a %T, want a *sigv4.Body", r.Body)
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != want || string(b.Bytes()) != want {
			t.Errorf("Read gave %d bytes, Bytes %d, and the error %v; want %d bytes", len(got), len(b.Bytes()), err, len(want))
		}
	}
	depth := 0
	handler = sigv4.Require(creds, sigv4.Options{Service: "sqs", Now: func() time.Time { return noon }},
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mine := bodies[depth]
			depth++
			if depth < len(bodies) { // a nested request, before this one's body is read
				handler.ServeHTTP(httptest.NewRecorder(), signed(t, "sqs", "us-east-1", bodies[depth], noon))
			}
			check(r, mine)
		}))
	for range 2 {
		depth = 0
		handler.ServeHTTP(httptest.NewRecorder(), signed(t, "sqs", "us-east-1", bodies[0], noon))
		if depth != len(bodies) {
			t.Fatalf("%d of %d requests reached the handler", depth, len(bodies))
		}
	}
}

// BenchmarkRequire verifies a request with a body of 2,500 bytes.
func BenchmarkRequire(b *testing.B) {
	body := bytes.Repeat([]byte("0123456789"), 250)
	handler := sigv4.Require(creds, sigv4.Options{Service: "sqs", Now: func() time.Time { return noon }},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := signed(b, "sqs", "us-east-1", string(body), noon)
	w := httptest.NewRecorder()
	var from bytes.Reader
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(body)
		r.Body = io.NopCloser(&from)
		handler.ServeHTTP(w, r)
	}
	if w.Code != http.StatusOK {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
}
