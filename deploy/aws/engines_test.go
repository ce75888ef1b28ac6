package aws_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/functions"
	"sluice/deploy/replay/harness"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
)

// TestRolesGrantCallsOnEngines runs each function with the template's variables
// over the engines (DynamoDB Local, ElasticMQ, versitygw): its role must grant
// every call that the recording proxy sees. The test sets the process's
// environment, so it is one test and not parallel.
func TestRolesGrantCallsOnEngines(t *testing.T) {
	backends := map[string]string{}
	for _, service := range []string{"DYNAMODB", "SQS", "S3"} {
		variable := "AWS_ENDPOINT_URL_" + service
		if backends[service] = os.Getenv(variable); backends[service] == "" {
			t.Skipf("%s is not set; .ci/run starts the engines and sets it", variable)
		}
	}
	var mu sync.Mutex
	seen := map[call]bool{}
	proxy := httptest.NewServer(&harness.RecordingProxy{
		Backends: backends,
		Observe: func(service, operation, resource string) error {
			mu.Lock()
			defer mu.Unlock()
			seen[call{service, operation, resource}] = true
			return nil
		},
		Otherwise: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // SES, which has no engine
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"MessageId":"0100"}`)
		}),
	})
	t.Cleanup(proxy.Close) // after the cleanups that delete queues and tables
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": proxy.URL, "AWS_ENDPOINT_URL_DYNAMODB": proxy.URL, "AWS_ENDPOINT_URL_SQS": proxy.URL, "AWS_ENDPOINT_URL_S3": proxy.URL,
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s := deploy(t, map[string]string{"SesFrom": "news@example.com", "InboxTypes": "user-registration", "NotifyTo": "operator@example.com"})
	e := makeEngineStack(t, s)
	s3Event := func(kind, key string) []byte {
		return event("uploads", `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.678Z",`+
			`"eventName":"`+kind+`","s3":{"bucket":{"name":"`+e.bucket("uploads")+`"},"object":{"key":"`+key+`","sequencer":"0055AED6DCD90281E5"}}}]}`)
	}
	picture, err := os.ReadFile("../../testdata/images/orientation-1-upright.jpg")
	if err != nil {
		t.Fatal(err)
	}
	e.put(t, "a.jpg", string(picture))
	e.put(t, "inbox/one.json", `{"id":"m1","type":"user-registration","data":{"email":"ada@example.com","name":"Ada"}}`)
	for _, run := range []struct {
		function string
		events   [][]byte
		want     []string // operations that must be called
	}{
		{
			"Uploads",
			[][]byte{s3Event("ObjectCreated:Put", "a.jpg"), s3Event("ObjectCreated:Put", "inbox/one.json"), s3Event("ObjectRemoved:Delete", "gone.jpg"), event("uploads", tooLong)},
			[]string{"S3.GetObject", "S3.HeadObject", "S3.PutObject", "S3.DeleteObject", "SQS.SendMessageBatch", "SQS.SendMessage"},
		},
		{
			"Jobs",
			[][]byte{recorded(t, "messages/user-registration.json"), recorded(t, "messages/order-processing.json"), recorded(t, "messages/image-processed.json"), event("jobs", tooLong)},
			[]string{"DynamoDB.GetItem", "DynamoDB.PutItem", "SQS.SendMessage", "S3.PutObject"},
		},
		{
			"Notifications",
			[][]byte{recorded(t, "messages/email-notification.json"), event("notifications", tooLong)},
			[]string{"DynamoDB.PutItem", "SESv2.SendEmail", "SQS.SendMessage", "S3.PutObject"},
		},
		{
			"Changes",
			[][]byte{recorded(t, "changes/user-pending-inserted.json"), recorded(t, "changes/user-becomes-active.json")},
			[]string{"SQS.SendMessageBatch"},
		},
	} {
		f := lambda(run.function)
		clear(seen)
		worker, err := f.Build(e.backends(e.environ(s, f)))
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		for _, ev := range run.events {
			if response, err := worker.Invoke(t.Context(), ev); err != nil || string(response) != `{"batchItemFailures":[]}` {
				t.Errorf("%s: got the response %s and the error %v", f.name, response, err)
			}
		}
		granted, problems := s.granted(f)
		report(t, problems)
		operations := map[string]bool{}
		for c := range seen {
			operations[c.service+"."+c.operation] = true
			need, err := s.needOf(f.name, e.short(f, c))
			if err != nil {
				t.Error(err)
				continue
			}
			if !slices.ContainsFunc(granted, func(g permit) bool { return g.grants(need) }) {
				t.Errorf("%sRole does not grant %s, which the function called as %v", f.name, need, c)
			}
		}
		for _, want := range run.want {
			if !operations[want] {
				t.Errorf("%s: got no call of %s, only %v", f.name, want, slices.Sorted(maps.Keys(operations)))
			}
		}
	}
}

// engineStack has the stack's buckets, queues and tables on the engines, under
// names of one test.
type engineStack struct {
	prefix string
	aws    aws.Config
	s3     *s3.Client
	sqs    *sqs.Client
	db     *dynamodb.Client
	urls   map[string]string // URLs of the queues by their logical names
}

func (e *engineStack) bucket(short string) string { return e.prefix + "-" + short }

func makeEngineStack(t *testing.T, s *stack) *engineStack {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &engineStack{
		prefix: strings.ToLower("roles-" + rand.Text()[:8]), aws: cfg, s3: s3.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
		db:   dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true }),
		urls: map[string]string{},
	}
	var problems []error
	for _, short := range []string{"uploads", "thumbnails", "failures"} {
		_, err := e.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(e.bucket(short))})
		problems = append(problems, err)
	}
	for _, short := range []string{"records", "state"} {
		name := e.prefix + "-" + short
		_, err := e.db.CreateTable(t.Context(), dynamotable.Schema(name, short == "records"))
		problems = append(problems, err)
		t.Cleanup(func() {
			_, _ = e.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name})
		})
	}
	for _, logical := range s.of("AWS::SQS::Queue") {
		out, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(e.prefix + "-" + logical)})
		if problems = append(problems, err); err != nil {
			continue
		}
		e.urls[logical] = *out.QueueUrl
		t.Cleanup(func() {
			_, _ = e.sqs.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
		})
	}
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *engineStack) put(t *testing.T, key, body string) {
	t.Helper()
	if _, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(e.bucket("uploads")), Key: &key, Body: strings.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
}

// backends returns the backends of a function with these variables.
func (e *engineStack) backends(environ map[string]string) functions.Backends {
	table := func(name string) pipeline.Table { return dynamotable.New(e.db, name, dynamotable.Options{}) }
	return functions.Backends{
		Settings: environ, AWS: &e.aws, S3: e.s3, SQS: e.sqs, Records: table(environ["RECORDS_TABLE"]), State: table(environ["STATE_TABLE"]),
		Logger: slog.New(slog.DiscardHandler),
	}
}

// environ returns the template's variables of a function, with the engines'
// resources in place of the stack's.
func (e *engineStack) environ(s *stack, f function) map[string]string {
	all := s.environ(f)
	for variable := range all {
		logical, _ := f.wired(variable)
		switch r := s.Resources[logical]; r.Type {
		case "AWS::SQS::Queue":
			all[variable] = e.urls[logical]
		case "AWS::S3::Bucket":
			all[variable] = e.bucket(strings.ToLower(strings.TrimSuffix(logical, "Bucket")))
		case "AWS::DynamoDB::Table":
			all[variable] = e.prefix + "-" + strings.ToLower(strings.TrimSuffix(logical, "Table"))
		}
	}
	return all
}

// short returns a call with the resource names of the replay harness.
func (e *engineStack) short(f function, c call) call {
	switch c.service {
	case "SQS":
		for logical, url := range e.urls {
			if url == c.resource {
				c.resource = map[string]string{
					"JobsQueue": "jobs", "NotificationsQueue": "notifications", f.name + "Queue": "source", f.name + "DeadQueue": "dead",
				}[logical]
			}
		}
	case "SESv2":
		c.resource = "news@example.com" // it is in the body
	default:
		c.resource = strings.TrimPrefix(c.resource, e.prefix+"-")
	}
	return c
}
