package sqsserver_test

import (
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/local/sqsserver/sqstest"
)

// TestSuiteOnEngine runs the suite against the engine that AWS_ENDPOINT_URL_SQS
// names. SLUICE_TEST_MAX_SLEEP=1h also runs the cases that take hours there (go
// test -timeout=24h).
func TestSuiteOnEngine(t *testing.T) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL_SQS")
	if endpoint == "" {
		t.Skip("AWS_ENDPOINT_URL_SQS names no engine")
	}
	maxSleep := 4 * time.Second
	if v := os.Getenv("SLUICE_TEST_MAX_SLEEP"); v != "" {
		var err error
		if maxSleep, err = time.ParseDuration(v); err != nil || maxSleep <= 0 {
			t.Fatalf("SLUICE_TEST_MAX_SLEEP: %q is no duration over zero: %v", v, err)
		}
	}
	t.Parallel()
	client := newClient(endpoint, nil)
	sqstest.Run(t, sqstest.Target{
		MaxSleep: maxSleep,
		Departs:  sqstest.ElasticMQ,
		With: func(t *testing.T, check func(*testing.T, *sqs.Client)) {
			t.Parallel()
			check(t, client)
		},
	})
}
