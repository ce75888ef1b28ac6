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

	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
	"sluice/workers/schema"
)

// TestFullStoreCanBeEmptied fills a stack to its limit, restarts it, deletes, and
// goes on.
func TestFullStoreCanBeEmptied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const limit = 18 << 20 // little more than the reserve
	synctest.Test(t, func(t *testing.T) {
		var logged lockedBuffer
		open := func() *stack.Stack {
			return stacktest.Open(t, func(o *stack.Options) {
				o.Dir, o.Hooks.MaxBytes, o.Logger = dir, limit, slog.New(slog.NewTextHandler(&logged, nil))
			})
		}
		ctx := t.Context()
		follow := func(h *stack.Stack, key string) *item {
			t.Helper()
			start, err := h.Client().Changes(ctx, "now")
			if err != nil {
				t.Fatal(err)
			}
			f := newFollower(h.Client(), start.Last, time.Hour)
			out, err := h.Client().S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(stack.BucketUploads), Key: &key, Body: bytes.NewReader(longPicture(t))})
			if err != nil {
				t.Fatal(err)
			}
			f.expect(picture{Key: key}, *out.ETag)
			if err := f.follow(ctx); err != nil {
				t.Fatal(err)
			}
			return f.items[0]
		}
		fill := func(h *stack.Stack) (code string) {
			t.Helper()
			body := strings.Repeat("x", 200_000)
			for range 100 {
				_, err := h.Client().SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(h.QueueURL("changes-dead")), MessageBody: &body},
					func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
				if api, ok := errors.AsType[smithy.APIError](err); ok {
					return api.ErrorCode()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			t.Fatal("the stack stores more than its limit")
			return ""
		}

		h := open()
		follow(h, "a.jpg")
		if err := stacktest.Settle(ctx, h.Client(), time.Hour); err != nil {
			t.Fatal(err)
		}
		t.Logf("full: %s", fill(h))
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}

		h = open()
		put := func() error {
			_, err := h.Client().S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(stack.BucketUploads), Key: aws.String("b.jpg"), Body: bytes.NewReader(longPicture(t))},
				func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
			return err
		}
		if err := put(); err == nil {
			t.Error("a full stack accepted an upload")
		}
		if _, err := h.Client().S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(stack.BucketUploads), Key: aws.String("a.jpg")}); err != nil {
			t.Errorf("delete an object of a full stack: %v", err)
		}
		synctest.Wait()
		if _, err := h.Client().SQS.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: aws.String(h.QueueURL("changes-dead"))}); err != nil {
			t.Errorf("purge a queue of a full stack: %v", err)
		}
		if err := stacktest.Settle(ctx, h.Client(), time.Hour); err != nil {
			t.Errorf("with space again: %v", err)
		}
		data, err := h.Client().Record(ctx, schema.KeyText(schema.ImageKey(stack.BucketUploads, "a.jpg")))
		if err != nil || !bytes.Contains(data, []byte(schema.StatusRemoved)) {
			t.Errorf("record of the deleted picture: got %s, %v, want it removed", data, err)
		}
		if it := follow(h, "b.jpg"); it.image.Status != schema.StatusReady {
			t.Errorf("upload with space again: got %q", it.image.Status)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(logged.String(), "no space to write") {
			t.Errorf("no log line about the full store:\n%s", logged.String())
		}
	})
}
