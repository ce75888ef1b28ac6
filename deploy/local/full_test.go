package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"sluice/workers/schema"
)

// TestFullHomeCanBeEmptied fills a home to its limit, starts it again as it is,
// makes room, and goes on.
func TestFullHomeCanBeEmptied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const limit = 18 << 20 // the reserve, and a little
	synctest.Test(t, func(t *testing.T) {
		var logged lockedBuffer
		open := func() *home {
			return testHome(t, func(o *homeOptions) {
				o.Dir, o.maxBytes, o.Logger = dir, limit, slog.New(slog.NewTextHandler(&logged, nil))
			})
		}
		ctx := t.Context()
		follow := func(h *home, key string) *item {
			t.Helper()
			start, err := h.remote().changes(ctx, "now")
			if err != nil {
				t.Fatal(err)
			}
			f := newFollower(h.remote(), start.Last, time.Hour)
			out, err := h.clients.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucketUploads), Key: &key, Body: bytes.NewReader(longPicture(t))})
			if err != nil {
				t.Fatal(err)
			}
			f.expect(picture{Key: key}, *out.ETag)
			if err := f.follow(ctx); err != nil {
				t.Fatal(err)
			}
			return f.items[0]
		}
		fill := func(h *home) (code string) {
			t.Helper()
			body := strings.Repeat("x", 200_000)
			for range 100 {
				_, err := h.clients.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(h.queues.URL(queueChangesDead)), MessageBody: &body},
					func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
				if api, ok := errors.AsType[smithy.APIError](err); ok {
					return api.ErrorCode()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			t.Fatal("the home takes more than its limit")
			return ""
		}

		h := open()
		follow(h, "a.jpg")
		if err := h.remote().settle(ctx, time.Hour); err != nil {
			t.Fatal(err)
		}
		t.Logf("full: %s", fill(h))
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}

		h = open()
		put := func() error {
			_, err := h.clients.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucketUploads), Key: aws.String("b.jpg"), Body: bytes.NewReader(longPicture(t))},
				func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
			return err
		}
		if err := put(); err == nil {
			t.Error("a full home took an upload")
		}
		if _, err := h.clients.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucketUploads), Key: aws.String("a.jpg")}); err != nil {
			t.Errorf("delete an object of a full home: %v", err)
		}
		synctest.Wait()
		if _, err := h.clients.SQS.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: aws.String(h.queues.URL(queueChangesDead))}); err != nil {
			t.Errorf("purge a queue of a full home: %v", err)
		}
		if err := h.remote().settle(ctx, time.Hour); err != nil {
			t.Errorf("with room again: %v", err)
		}
		it, err := h.records.Get(ctx, schema.ImageKey(bucketUploads, "a.jpg"))
		if err != nil || !bytes.Contains(it.Data, []byte(schema.StatusRemoved)) {
			t.Errorf("record of the deleted picture: got %s, %v, want it removed", it.Data, err)
		}
		if it := follow(h, "b.jpg"); it.image.Status != schema.StatusReady {
			t.Errorf("upload with room again: got %q", it.image.Status)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(logged.String(), "no space to write") {
			t.Errorf("nobody was told that there is no room:\n%s", logged.String())
		}
	})
}
