package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
)

// TestDataFolderOfEarlierCommitOpens opens the data folder that the local command
// of commit c49c48e left when it was killed, 55 minutes after the kill: every
// object, record, message and dead letter is there, and the messages that were in
// flight, delayed or postponed are processed. See testdata/c49c48e/README.md.
func TestDataFolderOfEarlierCommitOpens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	killed := unpack(t, filepath.Join("testdata", "c49c48e", "sluice.tar.gz"), dir)
	mails := fileNames(t, filepath.Join(dir, "outbox"))
	orders := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(orders.Close)
	offset := time.Until(killed.Add(55 * time.Minute))
	s := stacktest.Open(t, func(o *stack.Options) {
		stacktest.Listen(o)
		o.Dir = dir
		o.Environ["ORDER_ENDPOINT"] = orders.URL
		o.Hooks.Now = func() time.Time { return time.Now().Add(offset) }
	})
	client := s.Client()
	if err := stacktest.Settle(t.Context(), client, time.Minute); err != nil {
		t.Fatal(err)
	}

	t.Run("records", func(t *testing.T) {
		for key, want := range map[string]string{
			"image#uploads/lossy.webp":                "ready",
			"image#uploads/orientation-1-upright.jpg": "ready",
			"image#uploads/truncated.jpg":             "rejected",
			"user#ada@example.com":                    "suspended",
			"user#ada@example.com/order#completed":    "completed",
			"user#ada@example.com/order#in-flight":    "completed", // processing at the kill
			"user#ada@example.com/order#postponed":    "completed", // processing at the kill
			"user#delayed@example.com":                "active",    // absent at the kill
		} {
			var record struct{ Status string }
			data, err := client.Record(t.Context(), key)
			if err == nil {
				err = json.Unmarshal(data, &record)
			}
			if err != nil || record.Status != want {
				t.Errorf("record %s: got the status %q and the error %v, want %q", key, record.Status, err, want)
			}
		}
	})
	t.Run("changes", func(t *testing.T) {
		page, err := client.Changes(t.Context(), "")
		if err != nil || len(page.Changes) != 13+4 {
			t.Errorf("got %d changes and the error %v, want the 13 from before the kill and 4 more", len(page.Changes), err)
		}
	})
	t.Run("notifications", func(t *testing.T) {
		after := fileNames(t, filepath.Join(dir, "outbox"))
		if got, want := kinds(after), map[string]int{"image-ready": 2, "image-rejected": 1, "welcome": 2, "order-completed": 3}; !maps.Equal(got, want) {
			t.Errorf("got the mails %v, want %v", got, want)
		}
		for _, name := range mails {
			if !slices.Contains(after, name) {
				t.Errorf("mail %s is missing", name)
			}
		}
	})
	t.Run("buckets", func(t *testing.T) { upgradedBuckets(t, client.S3) })
	t.Run("queues", func(t *testing.T) { upgradedQueues(t, client.SQS) })
	t.Run("commands", func(t *testing.T) {
		for _, tt := range []struct {
			args []string
			want string
		}{
			{[]string{"set-status", "user#ada@example.com", "active"}, "suspended -> active"},
			{[]string{"send", "user-registration", `{"email":"new@example.com","name":"New"}`}, "pending -> active"},
			{[]string{"send", "order-processing", `{"email":"ada@example.com","id":"new"}`}, "processing -> completed"},
			{[]string{filepath.Join("..", "..", "testdata", "images", "lossy.webp")}, "ready"},
		} {
			stdout, stderr, err := runCommand(t, append([]string{"-data", dir}, tt.args...)...)
			if err != nil || !strings.Contains(stdout, tt.want) {
				t.Errorf("%q: got %v\n%s\n%s\nwant %q", tt.args, err, stdout, stderr, tt.want)
			}
		}
	})
}

func upgradedBuckets(t *testing.T, c *s3.Client) {
	ctx := t.Context()
	archive := aws.String("archive")
	uploads, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: archive})
	if err != nil || len(uploads.Uploads) != 1 {
		t.Fatalf("multipart uploads: got %v and the error %v, want the one in progress", uploads, err)
	}
	up := uploads.Uploads[0]
	parts, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: archive, Key: up.Key, UploadId: up.UploadId})
	if err != nil || len(parts.Parts) != 1 {
		t.Fatalf("parts: got %v and the error %v, want one part", parts, err)
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: archive, Key: up.Key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: parts.Parts[0].ETag}}},
	})
	if err != nil {
		t.Errorf("complete the upload: %v", err)
	}
	for bucket, want := range map[string][]string{
		"uploads":    {"lossy.webp", "orientation-1-upright.jpg", "truncated.jpg"},
		"thumbnails": {"thumbnails/200x200/lossy.webp", "thumbnails/200x200/orientation-1-upright.jpg"},
		"archive":    {"large", "multipart/complete", "multipart/in-progress", "notes/größe 1+1.txt"},
	} {
		list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, o := range list.Contents {
			keys = append(keys, *o.Key)
		}
		if !slices.Equal(keys, want) {
			t.Errorf("bucket %s: got the keys %q, want %q", bucket, keys, want)
		}
	}
	for _, want := range []struct{ bucket, key, contentType, cacheControl, author, body string }{
		{"archive", "notes/größe 1+1.txt", "text/plain", "no-cache", "ada", "kept since c49c48e\n"},
		{"archive", "multipart/complete", "text/x-parts", "", "ada", "the one part"},
		{"archive", "multipart/in-progress", "text/x-parts", "", "ada", "the one part"},
		{"archive", "large", "application/octet-stream", "", "", strings.Repeat("0123456789abcdef", 1<<16)},
		{"uploads", "lossy.webp", "image/webp", "", "", readFile(t, filepath.Join("..", "..", "testdata", "images", "lossy.webp"))},
	} {
		o, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &want.bucket, Key: &want.key})
		if err != nil {
			t.Errorf("%s/%s: %v", want.bucket, want.key, err)
			continue
		}
		body, err := io.ReadAll(o.Body)
		_ = o.Body.Close()
		if err != nil || string(body) != want.body {
			t.Errorf("%s/%s: got %d bytes and the error %v, want %d bytes", want.bucket, want.key, len(body), err, len(want.body))
		}
		if got := [3]string{aws.ToString(o.ContentType), aws.ToString(o.CacheControl), o.Metadata["author"]}; got != [3]string{want.contentType, want.cacheControl, want.author} {
			t.Errorf("%s/%s: got the headers %q, want %q", want.bucket, want.key, got, []string{want.contentType, want.cacheControl, want.author})
		}
	}
}

func upgradedQueues(t *testing.T, c *sqs.Client) {
	for queue, want := range map[string][]string{
		"mine":               {`1 waiting color=green`},
		"mine.fifo":          {"2 message 0", "1 message 1", "1 message 2"}, // message 0 was in flight
		"jobs-dead":          {`1 "unknown-type" sluice-reason`},
		"uploads-dead":       nil,
		"notifications-dead": nil,
		"changes-dead":       nil,
	} {
		q, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &queue})
		if err != nil {
			t.Error(err)
			continue
		}
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: q.QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 0,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil || len(out.Messages) != len(want) {
			t.Errorf("queue %s: got %d messages and the error %v, want %d", queue, len(out.Messages), err, len(want))
			continue
		}
		for i, m := range out.Messages {
			got := m.Attributes["ApproximateReceiveCount"] + " " + *m.Body
			for name, v := range m.MessageAttributes {
				got += " " + name + "=" + aws.ToString(v.StringValue)
			}
			for _, part := range strings.Split(want[i], " ") {
				if !strings.Contains(got, part) {
					t.Errorf("queue %s, message %d: got %q, want %q in it", queue, i, got, part)
				}
			}
		}
	}
}

// kinds counts mails by the rule that sent them.
func kinds(names []string) map[string]int {
	count := make(map[string]int)
	for _, name := range names {
		rule, _, _ := strings.Cut(name, "_")
		count[strings.TrimSuffix(rule, "-created")]++
	}
	return count
}

func fileNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unpack unpacks the archive of a data folder into dir, and returns when its
// process was killed.
func unpack(t *testing.T, archive, dir string) (killed time.Time) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(zip)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = unpackFile(files, h, filepath.Join(dir, h.Name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if killed, err = time.Parse(time.RFC3339, readFile(t, filepath.Join(dir, "killed"))); err != nil {
		t.Fatal(err)
	}
	return killed
}

func unpackFile(r io.Reader, h *tar.Header, path string) error {
	if h.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, 0o700)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", h.Name, err)
	}
	return nil
}
