package setup

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// The invocation's trace wins over the environment, which on managed instances
// is another's or nobody's. Outside of an invocation the SDK does as it likes.
func TestRequestsCarryTheInvocationsTrace(t *testing.T) {
	const (
		mine   = "Root=1-6901f2c5-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
		others = "Root=1-6901f2c5-ffffffffffffffffffffffff;Parent=ffffffffffffffff;Sampled=1"
	)
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get(traceHeader)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": server.URL, "AWS_ENDPOINT_URL_SQS": server.URL,
		"AWS_LAMBDA_FUNCTION_NAME": "worker", "_X_AMZN_TRACE_ID": others,
	} {
		t.Setenv(name, value)
	}
	cfg, err := AWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(cfg)
	for name, tt := range map[string]struct {
		ctx  context.Context
		want string
	}{
		//lint:ignore SA1029 aws-lambda-go has no type for this key
		"an invocation": {context.WithValue(t.Context(), traceKey, mine), mine},
		"none":          {t.Context(), others},
	} {
		if _, err := client.ListQueues(tt.ctx, &sqs.ListQueuesInput{}); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
