package aws_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

	"sluice/deploy/replay/harness"
	"sluice/pipeline/dynamotable"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/uploads"
)

// build are the workers' own News, as their Lambda mains call them.
var build = map[string]func(context.Context, map[string]string) (func(context.Context, []byte) ([]byte, error), error){
	"uploads": func(ctx context.Context, e map[string]string) (func(context.Context, []byte) ([]byte, error), error) {
		w, err := uploads.New(ctx, e)
		return w.Invoke, err
	},
	"messages": func(ctx context.Context, e map[string]string) (func(context.Context, []byte) ([]byte, error), error) {
		w, err := messages.New(ctx, e)
		return w.Invoke, err
	},
	"changes": func(ctx context.Context, e map[string]string) (func(context.Context, []byte) ([]byte, error), error) {
		w, err := changes.New(ctx, e)
		return w.Invoke, err
	},
}

// TestRolesOnEngines runs each function as its Lambda main builds it, under the
// variables that the template sets, over the engines: what crosses the wire is
// what its role grants. It is one, for it sets the process's environment.
func TestRolesOnEngines(t *testing.T) {
	backends := map[string]string{}
	for _, service := range []string{"DYNAMODB", "SQS", "S3"} {
		variable := "AWS_ENDPOINT_URL_" + service
		if backends[service] = os.Getenv(variable); backends[service] == "" {
			t.Skipf("%s names no engine; .ci/run starts them", variable)
		}
	}
	var mu sync.Mutex
	seen := map[call]bool{}
	wire := httptest.NewServer(&harness.RecordingProxy{
		Backends: backends,
		Observe: func(service, operation, resource string) error {
			mu.Lock()
			defer mu.Unlock()
			seen[call{service, operation, resource}] = true
			return nil
		},
		Otherwise: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // SES: there is no engine
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"MessageId":"0100"}`)
		}),
	})
	t.Cleanup(wire.Close) // after what removes the stores
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": wire.URL, "AWS_ENDPOINT_URL_DYNAMODB": wire.URL, "AWS_ENDPOINT_URL_SQS": wire.URL, "AWS_ENDPOINT_URL_S3": wire.URL,
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s := deploy(t, map[string]string{"SesFrom": "news@example.com", "InboxTypes": "user-registration", "NotifyTo": "operator@example.com"})
	e := makeEngineStack(t, s)
	notice := func(kind, key string) []byte {
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
		want     []string // operations that must cross the wire
	}{
		{
			"Uploads",
			[][]byte{notice("ObjectCreated:Put", "a.jpg"), notice("ObjectCreated:Put", "inbox/one.json"), notice("ObjectRemoved:Delete", "gone.jpg"), event("uploads", tooLong)},
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
		f := functions[slices.IndexFunc(functions, func(f function) bool { return f.name == run.function })]
		clear(seen)
		invoke, err := build[f.worker](t.Context(), e.environ(s, f))
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		for _, ev := range run.events {
			if answer, err := invoke(t.Context(), ev); err != nil || string(answer) != `{"batchItemFailures":[]}` {
				t.Errorf("%s: %s %v", f.name, answer, err)
			}
		}
		granted, problems := s.granted(f.name)
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
				t.Errorf("%sRole does not grant %s, which crossed the wire as %v", f.name, need, c)
			}
		}
		for _, want := range run.want {
			if !operations[want] {
				t.Errorf("%s: %s did not cross the wire: %v", f.name, want, slices.Sorted(maps.Keys(operations)))
			}
		}
	}
}

// engineStack is the stack's stores on engines, under names of one test.
type engineStack struct {
	prefix string
	s3     *s3.Client
	urls   map[string]string // of queues by their logical names
}

func (e *engineStack) bucket(short string) string { return e.prefix + "-" + short }

func makeEngineStack(t *testing.T, s *stack) *engineStack {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &engineStack{prefix: strings.ToLower("roles-" + rand.Text()[:8]), s3: s3.NewFromConfig(cfg), urls: map[string]string{}}
	queues, tables := sqs.NewFromConfig(cfg), dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
	var problems []error
	for _, short := range []string{"uploads", "thumbnails", "failures"} {
		_, err := e.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(e.bucket(short))})
		problems = append(problems, err)
	}
	for _, short := range []string{"records", "state"} {
		name := e.prefix + "-" + short
		_, err := tables.CreateTable(t.Context(), dynamotable.Schema(name, short == "records"))
		problems = append(problems, err)
		t.Cleanup(func() {
			_, _ = tables.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name})
		})
	}
	for _, logical := range s.of("AWS::SQS::Queue") {
		out, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(e.prefix + "-" + logical)})
		if problems = append(problems, err); err != nil {
			continue
		}
		e.urls[logical] = *out.QueueUrl
		t.Cleanup(func() {
			_, _ = queues.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
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

// environ is what the template sets for a function, the stack's resources
// replaced by the engines'.
func (e *engineStack) environ(s *stack, f function) map[string]string {
	all := s.environ(f)
	for variable, logical := range wiring[f.name] {
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

// short is a call in the names of replay's rig.
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
		c.resource = "news@example.com" // it stands in the body
	default:
		c.resource = strings.TrimPrefix(c.resource, e.prefix+"-")
	}
	return c
}
