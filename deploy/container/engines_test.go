package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource/streamfeed"
	"sluice/pipeline/dynamotable"
)

const (
	region          = "us-east-1"
	maxReceiveCount = 16
)

// Settings of the copies: short, so that the lease of a killed copy ends soon.
const (
	copyLease      = 15 * time.Second
	copyTimeout    = 10 * time.Second
	copyVisibility = 20 * time.Second
	copyPatience   = 2 * time.Minute // for one thing to happen on slow engines
)

// engines are DynamoDB Local and ElasticMQ with the tables and queues of one
// test.
type engines struct {
	t       *testing.T
	dir     string // of the binary, the outbox and the copies' logs
	db      *dynamodb.Client
	sqs     *sqs.Client
	records *dynamotable.Table
	state   *dynamotable.Table
	feed    *streamfeed.Feed
	environ map[string]string // of the copies
	urls    map[string]string // of the queues
}

// openEngines finds the engines by environment variables.
func openEngines(t *testing.T) *engines {
	t.Helper()
	endpoints := make(map[string]string)
	for _, service := range []string{"DYNAMODB", "SQS"} {
		name := "AWS_ENDPOINT_URL_" + service
		if endpoints[name] = os.Getenv(name); endpoints[name] == "" {
			t.Skipf("%s is not set: .ci/dynamodb-local and .ci/elasticmq start engines", name)
		}
	}
	// DynamoDB Local serves tables and streams on one port.
	endpoints["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"] = endpoints["AWS_ENDPOINT_URL_DYNAMODB"]
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
	if err != nil {
		t.Fatal(err)
	}
	at := func(service string) *string { return aws.String(endpoints["AWS_ENDPOINT_URL_"+service]) }
	e := &engines{
		t: t, dir: t.TempDir(), urls: make(map[string]string),
		db: dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
			o.BaseEndpoint = at("DYNAMODB")
			o.DisableValidateResponseChecksum = true // DynamoDB Local sends none with an error
		}),
		sqs: sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = at("SQS") }),
	}
	name := strings.ToLower("copies-" + rand.Text()[:8])
	e.records, e.state = e.table(name+"-records", true), e.table(name+"-state", false)
	stream, err := streamARN(t.Context(), e.db, name+"-records")
	if err != nil {
		t.Fatal(err)
	}
	e.feed = streamfeed.New(dynamodbstreams.NewFromConfig(cfg, func(o *dynamodbstreams.Options) { o.BaseEndpoint = at("DYNAMODB_STREAMS") }), stream)
	e.queue(name, queueDead, nil)
	dead, err := queueARN(t.Context(), e.sqs, e.urls[queueDead])
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{"uploads", "jobs", "notifications"} {
		e.queue(name, queue, map[string]string{
			"VisibilityTimeout": fmt.Sprint(int(copyVisibility.Seconds())),
			"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"%d"}`, dead, maxReceiveCount),
		})
	}
	e.environ = map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true",
		"RECORDS_TABLE": name + "-records", "STATE_TABLE": name + "-state",
		"JOBS_QUEUE_URL": e.urls["jobs"], "NOTIFICATIONS_QUEUE_URL": e.urls["notifications"],
		"UPLOADS_QUEUE_URL": e.urls["uploads"], "DEAD_LETTER_QUEUE_URL": e.urls[queueDead],
		"OUTBOX_DIR": filepath.Join(e.dir, "outbox"), "LEASE": copyLease.String(), "TIMEOUT": copyTimeout.String(), "RESERVE": "1s",
		"PARALLEL": "4", "CONCURRENCY": "2", // DynamoDB Local serves one request at a time
		"PATH": os.Getenv("PATH"), "HOME": e.dir,
	}
	maps.Copy(e.environ, endpoints)
	return e
}

// queueDead receives the dead letters of all queues.
const queueDead = "dead"

func (e *engines) queue(prefix, queue string, attributes map[string]string) {
	e.t.Helper()
	out, err := e.sqs.CreateQueue(e.t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(prefix + "-" + queue), Attributes: attributes})
	if err != nil {
		e.t.Fatal(err)
	}
	e.urls[queue] = *out.QueueUrl
	e.t.Cleanup(func() {
		_, _ = e.sqs.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
	})
}

func (e *engines) table(name string, stream bool) *dynamotable.Table {
	e.t.Helper()
	if _, err := e.db.CreateTable(e.t.Context(), dynamotable.Schema(name, stream)); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		_, _ = e.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name})
	})
	return dynamotable.New(e.db, name, dynamotable.Options{})
}

// copyProcess is one copy: the program in a process of its own.
type copyProcess struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan error
}

// build builds the program and returns its path.
func (e *engines) build() string {
	e.t.Helper()
	out := filepath.Join(e.dir, "sluice")
	if b, err := exec.CommandContext(e.t.Context(), "go", "build", "-o", out, ".").CombinedOutput(); err != nil {
		e.t.Fatalf("build: %v\n%s", err, b)
	}
	return out
}

// start starts a copy of some functions. It is killed at the end of the test.
func (e *engines) start(binary string, functions ...string) *copyProcess {
	e.t.Helper()
	log, err := os.CreateTemp(e.dir, "copy-*.log")
	if err != nil {
		e.t.Fatal(err)
	}
	cmd := exec.Command(binary, functions...)
	cmd.Stdout, cmd.Stderr = log, log
	for name, value := range e.environ {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	c := &copyProcess{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }()
	e.t.Cleanup(func() {
		_ = cmd.Process.Kill() // an error means that it has ended
		if e.t.Failed() {
			e.t.Logf("process %d:\n%s", cmd.Process.Pid, c.tail(30))
		}
		_ = log.Close()
	})
	return c
}

func (c *copyProcess) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %v to process %d: %v", s, c.cmd.Process.Pid, err)
	}
}

// owns reports whether this copy is the owner of a lease.
func (c *copyProcess) owns(owner string) bool {
	return strings.Contains(owner, fmt.Sprintf("-%d/", c.cmd.Process.Pid))
}

func (c *copyProcess) text() string {
	b, _ := os.ReadFile(c.log.Name())
	return string(b)
}

func (c *copyProcess) tail(n int) string {
	lines := strings.Split(c.text(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// eventually polls until ok, and returns the time it took. It fails the test
// after within.
func (e *engines) eventually(what string, within time.Duration, ok func() bool) time.Duration {
	e.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			e.t.Fatalf("not within %v: %s", within, what)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-e.t.Context().Done():
			e.t.Fatal(e.t.Context().Err())
		}
	}
	return time.Since(began)
}

// waiting is how many messages a queue has: visible + in flight.
func (e *engines) waiting(queue string) string {
	e.t.Helper()
	out, err := e.sqs.GetQueueAttributes(e.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(e.urls[queue]), AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}
