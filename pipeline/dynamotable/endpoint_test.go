package dynamotable_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sluice/pipeline/dynamotable"
	"sluice/pipeline/dynamotable/dynamotest"
)

// An endpoint is DynamoDB behind an unreliable connection. It records requests,
// and a test may replace the response, before or after DynamoDB handles one.
type endpoint struct {
	dynamotest.Server
	mu       sync.Mutex
	requests []request
	// respond may be nil. It returns true if it wrote the response to the request,
	// the nth of its action. do lets DynamoDB handle it and drops the response.
	respond func(w http.ResponseWriter, action string, nth int, do func()) bool
}

type request struct {
	action string
	body   map[string]any
}

// requestsOf returns the bodies of all requests of an action.
func (e *endpoint) requestsOf(action string) []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	var bodies []map[string]any
	for _, r := range e.requests {
		if r.action == action {
			bodies = append(bodies, r.body)
		}
	}
	return bodies
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var body map[string]any
	if err != nil || json.Unmarshal(data, &body) != nil {
		http.Error(w, "no body", http.StatusInternalServerError)
		return
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	e.mu.Lock()
	e.requests = append(e.requests, request{action, body})
	e.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(data))
	if e.respond != nil {
		do := func() { e.Server.ServeHTTP(httptest.NewRecorder(), r) }
		if e.respond(w, action, len(e.requestsOf(action)), do) {
			return
		}
	}
	e.Server.ServeHTTP(w, r)
}

// refuse responds with an error of DynamoDB.
func refuse(w http.ResponseWriter, code int, typ, message string) bool {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + typ, "message": message})
	return true
}

// loseResponse lets DynamoDB handle the nth request of an action and drops the
// response. It calls between, which may be nil, before the client retries.
func loseResponse(action string, n int, between func()) func(http.ResponseWriter, string, int, func()) bool {
	return func(w http.ResponseWriter, asked string, nth int, do func()) bool {
		if asked != action || nth != n {
			return false
		}
		do()
		if between != nil {
			between()
		}
		return refuse(w, http.StatusInternalServerError, "InternalServerError", "the response was lost")
	}
}

// open returns a table on the endpoint.
func (e *endpoint) open(t *testing.T, o dynamotable.Options) *dynamotable.Table {
	t.Helper()
	return dynamotable.New(e.client(t), "records", o)
}

// client returns a client that makes three attempts without delay.
func (e *endpoint) client(t *testing.T) *dynamodb.Client {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 3
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
		DisableValidateResponseChecksum: true, // the errors made here have none
	})
}
