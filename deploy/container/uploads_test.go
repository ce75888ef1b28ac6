package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/pipeline"
	"sluice/workers/schema"
)

// TestUploadsOverEngines: a copy that runs the whole path over real engines: S3's
// event in a queue makes thumbnails and a record, a file that is not a picture is
// rejected with a reason, and a removal takes the thumbnails away.
func TestUploadsOverEngines(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("AWS_ENDPOINT_URL_S3")
	if endpoint == "" {
		t.Skip("AWS_ENDPOINT_URL_S3 names no engine; .ci/versitygw starts one")
	}
	e := openEngines(t)
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
	if err != nil {
		t.Fatal(err)
	}
	objects := s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &endpoint, true })
	in, out := e.environ["RECORDS_TABLE"]+"-in", e.environ["RECORDS_TABLE"]+"-out"
	for _, bucket := range []string{in, out} {
		if _, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	e.environ["AWS_ENDPOINT_URL_S3"], e.environ["THUMBNAIL_BUCKET"] = endpoint, out
	c := e.start(e.build(), "uploads", "jobs", "notifications", "changes")

	notify := func(event, key, sequencer string) {
		t.Helper()
		body := fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":%q,"eventTime":"2026-01-02T03:04:05.000Z",`+
			`"s3":{"s3SchemaVersion":"1.0","bucket":{"name":%q},"object":{"key":%q,"sequencer":%q}}}]}`, event, in, url.QueryEscape(key), sequencer)
		if _, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(e.urls["uploads"]), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	status := func(key string) string {
		t.Helper()
		it, err := e.records.Get(t.Context(), schema.ImageKey(in, key))
		if errors.Is(err, pipeline.ErrNotFound) {
			return ""
		}
		if err != nil {
			t.Fatal(err)
		}
		var image schema.Image
		if err := it.Decode(&image); err != nil {
			t.Fatal(err)
		}
		return image.Status
	}
	thumbnail := func(key string) bool {
		t.Helper()
		_, err := objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &out, Key: aws.String("thumbnails/200x200/" + key)})
		if _, gone := errors.AsType[*s3types.NotFound](err); gone {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	}

	want := map[string]string{}
	for _, name := range []string{"progressive.jpg", "transparent.png", "lossy.webp", "animated.gif", "bad/truncated.jpg"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "images", name))
		if err != nil {
			t.Fatal(err)
		}
		key := "photos of 2026/" + name // a space and slashes, which an S3 event escapes
		if _, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &in, Key: &key, Body: bytes.NewReader(data)}); err != nil {
			t.Fatal(err)
		}
		notify("ObjectCreated:Put", key, "0069573F651ABB8000")
		if want[key] = schema.StatusReady; strings.HasPrefix(name, "bad/") {
			want[key] = schema.StatusRejected
		}
	}
	for key, outcome := range want {
		e.eventually(key+" is "+outcome, copyPatience, func() bool { return status(key) == outcome })
		if made, good := thumbnail(key), outcome == schema.StatusReady; made != good {
			t.Errorf("%s is %s: its thumbnail exists: %t, want %t", key, outcome, made, good)
		}
	}

	gone := "photos of 2026/progressive.jpg"
	if _, err := objects.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &in, Key: &gone}); err != nil {
		t.Fatal(err)
	}
	notify("ObjectRemoved:Delete", gone, "0069573F651ABB9000")
	e.eventually(gone+" is removed", copyPatience, func() bool { return status(gone) == schema.StatusRemoved })
	if thumbnail(gone) {
		t.Errorf("%s is removed, its thumbnail is still there", gone)
	}

	c.signal(t, syscall.SIGTERM)
	if err := <-c.done; err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if n := e.waiting(queueDead); n != "0+0" {
		t.Errorf("dead letters: %s, want none: a rejected picture is an outcome, not a failure", n)
	}
}
