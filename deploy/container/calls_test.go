package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/replay/harness"
)

var updateCalls = flag.Bool("update-calls", false, "write the container's calls to deploy/aws")

// callsFile lists the container's calls to AWS. The tests of deploy/aws compare
// the task's policy with it.
const callsFile = "../aws/testdata/without-lambda.json"

// oneShard serves the control plane and the stream of table records: one shard
// with a change that is too old, and one that is not.
type oneShard struct {
	mu   sync.Mutex
	read bool
}

func (s *oneShard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	const arn = "arn:aws:dynamodb:us-east-1:123456789012:table/records/stream/2026-01-02T03:04:05.678"
	stream := map[string]any{"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
	text := func(s string) any { return map[string]string{"S": s} }
	change := func(sequence, email string, age time.Duration) any {
		keys := map[string]any{"PK": text("user#" + email), "SK": text("user#" + email)}
		image := maps.Clone(keys)
		image["status"], image["email"], image["version"] = text("pending"), text(email), text("v")
		return map[string]any{
			"eventID": "e" + sequence, "eventName": "INSERT", "eventSource": "aws:dynamodb", "eventVersion": "1.1", "awsRegion": "us-east-1",
			"dynamodb": map[string]any{
				"ApproximateCreationDateTime": time.Now().Add(-age).Unix(), "Keys": keys, "NewImage": image,
				"SequenceNumber": sequence, "SizeBytes": 100, "StreamViewType": "NEW_AND_OLD_IMAGES",
			},
		}
	}
	var response any
	switch operation {
	case "DescribeTable":
		response = map[string]any{"Table": map[string]any{"TableName": "records", "LatestStreamArn": arn, "StreamSpecification": stream}}
	case "DescribeStream":
		response = map[string]any{"StreamDescription": map[string]any{
			"StreamArn": arn, "StreamStatus": "ENABLED", "StreamViewType": "NEW_AND_OLD_IMAGES",
			"Shards": []any{map[string]any{"ShardId": "shardId-00000001", "SequenceNumberRange": map[string]any{"StartingSequenceNumber": "100"}}},
		}}
	case "GetShardIterator":
		response = map[string]any{"ShardIterator": "iterator"}
	case "GetRecords":
		s.mu.Lock()
		records := []any{}
		if !s.read {
			records = []any{change("100", "old@example.com", 13*time.Hour), change("200", "ada@example.com", 0)}
		}
		s.read = true
		s.mu.Unlock()
		response = map[string]any{"Records": records, "NextShardIterator": "iterator"}
	default:
		http.Error(w, operation+" is unknown to the test", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(response)
}

// TestCallsAreGranted runs all functions over the backends of replay and a
// stream of one shard, and compares their calls with the list that deploy/aws
// grants. It sets the environment of the process.
func TestCallsAreGranted(t *testing.T) {
	const testdata = "../../testdata"
	picture, err := os.ReadFile(testdata + "/events/uploads/put-in-queue.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := harness.New(t.Context(), testdata, picture)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	settings := r.Settings()
	backend := settings["AWS_ENDPOINT_URL"]
	shard := &oneShard{}
	control := httptest.NewServer(shard)
	t.Cleanup(control.Close)
	tables := harness.RecordingProxy{Backends: map[string]string{"DYNAMODB": backend}}

	var mu sync.Mutex
	seen := map[string]bool{}
	wire := httptest.NewServer(&harness.RecordingProxy{
		Backends: map[string]string{"SQS": backend, "S3": backend, "DYNAMODB_STREAMS": control.URL},
		Observe: func(service, operation, resource string) error {
			mu.Lock()
			defer mu.Unlock()
			operation = strings.TrimSuffix(operation, "Batch") // one right for both
			seen[service+"."+operation+" "+shortResource(service, resource)] = true
			return nil
		},
		Otherwise: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeTable"):
				shard.ServeHTTP(w, r)
			case r.Header.Get("X-Amz-Target") != "":
				tables.ServeHTTP(w, r)
			default: // SES
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"MessageId":"0100"}`)
			}
		}),
	})
	t.Cleanup(wire.Close)
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(failing.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": wire.URL, "AWS_ENDPOINT_URL_DYNAMODB": wire.URL, "AWS_ENDPOINT_URL_SQS": wire.URL, "AWS_ENDPOINT_URL_S3": wire.URL,
		"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": wire.URL, "AWS_REGION": region, "AWS_ACCESS_KEY_ID": "replay", "AWS_SECRET_ACCESS_KEY": "replay",
	} {
		t.Setenv(name, value)
	}
	maps.Copy(settings, map[string]string{
		"UPLOADS_QUEUE_URL": settings["SOURCE_QUEUE_URL"], "ORDER_ENDPOINT": failing.URL, "SES_FROM": "news@example.com", "TIMEOUT": "10s",
	})
	delete(settings, "OUTBOX_DIR")
	queues := sqs.New(sqs.Options{Region: region, BaseEndpoint: &backend, Credentials: credentials.NewStaticCredentialsProvider("replay", "replay", "")})
	body := func(event []byte) string {
		var e struct{ Records []struct{ Body string } }
		if err := json.Unmarshal(event, &e); err != nil {
			t.Fatal(err)
		}
		return e.Records[0].Body
	}
	order, err := os.ReadFile(testdata + "/events/messages/order-processing.json")
	if err != nil {
		t.Fatal(err)
	}
	for queue, bodies := range map[string][]string{
		"UPLOADS_QUEUE_URL": {body(picture), strings.Repeat("x", 201<<10)},
		"JOBS_QUEUE_URL":    {body(order)},
		"NOTIFICATIONS_QUEUE_URL": {
			`{"id":"n1","type":"email-notification","data":{"to":"ada@example.com","subject":"s","body":"b"}}`,
		},
	} {
		for _, body := range bodies {
			if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(settings[queue]), MessageBody: &body}); err != nil {
				t.Fatal(err)
			}
		}
	}

	var want []string
	text, err := os.ReadFile(callsFile)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil && !*updateCalls {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- runContainer(ctx, options{Environ: settings, DrainLimit: 2 * time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	}()
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !*updateCalls && !slices.ContainsFunc(want, func(c string) bool { return !seen[c] })
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !all() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("the container ended: %v", err)
		}
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Log(err) // work in progress does not matter here
	}
	mu.Lock()
	defer mu.Unlock()
	got := slices.Sorted(maps.Keys(seen))
	if *updateCalls {
		b, err := json.MarshalIndent(got, "", "\t")
		if err == nil {
			err = os.WriteFile(callsFile, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, c := range got {
		if release := strings.HasPrefix(c, "SQS.ChangeMessageVisibility "); !slices.Contains(want, c) && !release { // a drain may
			t.Errorf("the container calls %s, which %s does not list: go test -run CallsAreGranted ./deploy/container -update-calls", c, callsFile)
		}
	}
	for _, c := range want {
		if !seen[c] {
			t.Errorf("the container does not call %s, which %s lists", c, callsFile)
		}
	}
}

// shortResource is the part of a resource that is the same in each run: a
// queue's name, a key's first folders.
func shortResource(service, resource string) string {
	switch service {
	case "SQS":
		return resource[strings.LastIndex(resource, "/")+1:]
	case "S3":
		parts := strings.Split(resource, "/")
		depth := 2
		if parts[0] == "failures" {
			depth = 4 // aws/lambda/changes, letters/uploads
			if parts[1] == "letters" {
				depth = 3
			}
		}
		return strings.Join(parts[:min(depth, len(parts))], "/") + "/x"
	case "DynamoDB Streams":
		return "stream"
	}
	return resource
}
