package queues_test

import (
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/local/queues/queuestest"
)

// TestSuiteOnEngine runs the rules against another engine, where AWS_ENDPOINT_URL_SQS says there is one.
func TestSuiteOnEngine(t *testing.T) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL_SQS")
	if endpoint == "" {
		t.Skip("AWS_ENDPOINT_URL_SQS names no engine")
	}
	t.Parallel()
	client := newClient(endpoint, nil)
	queuestest.Run(t, queuestest.Target{
		MaxSleep: 4 * time.Second,
		Departs:  queuestest.ElasticMQ, ErrorsDiffer: true,
		With: func(t *testing.T, check func(*testing.T, *sqs.Client)) {
			t.Parallel()
			check(t, client)
		},
	})
}
