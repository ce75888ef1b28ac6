// Package awsnotifytest is what the tests of the channels over AWS services
// share: a service that returns one response, and a check of a channel's error.
package awsnotifytest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"sluice/notify"
)

// Service is an AWS service on loopback that returns the same response to every
// request. Path and Body are those of the last request.
type Service struct {
	*httptest.Server
	Header     http.Header // of the response; set it before the first request
	Path, Body string
	Requests   atomic.Int64
}

// Start starts a service that t stops.
func Start(t *testing.T, status int, response string) *Service {
	t.Helper()
	s := new(Service)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.Path, s.Body = r.URL.Path, string(b)
		s.Requests.Add(1)
		for name, values := range s.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, response)
	}))
	t.Cleanup(s.Close)
	return s
}

// Config returns the configuration of a client of s that does not retry.
func (s *Service) Config() aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &s.URL, HTTPClient: s.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}

// Notification returns a valid notification without a recipient.
func Notification() notify.Notification {
	return notify.Notification{
		ID: "5f3a", Rule: "welcome", Channel: "any", Subject: "Hello", Body: "the body\n",
		At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Key: "user#ann@example.com", Cause: "c-1",
	}
}

// ExpectError checks whether err is a rejection, and how long it asks to wait.
// A wait of a minute may be up to a quarter longer, which is its jitter.
func ExpectError(t *testing.T, err error, rejected bool, wait time.Duration) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	if _, ok := errors.AsType[*notify.RejectedError](err); ok != rejected {
		t.Errorf("got %v, rejected %v, want %v", err, ok, rejected)
	}
	later, ok := errors.AsType[*notify.RetryAfterError](err)
	if ok != (wait > 0) || ok && later.After != wait && (wait != time.Minute || later.After < wait || later.After > wait+wait/4) {
		t.Errorf("got %v, want a wait of %v", err, wait)
	}
}
