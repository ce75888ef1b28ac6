//go:build ignore

// Command make writes sluice.tar.gz, the data folder of a local stack that was
// killed. Run it in the repository root with the local command of commit c49c48e:
//
//	git worktree add /tmp/c49c48e c49c48e
//	(cd /tmp/c49c48e && go build -o /tmp/local-c49c48e ./deploy/local)
//	go run deploy/local/testdata/c49c48e/make.go -local /tmp/local-c49c48e
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func main() {
	local := flag.String("local", "", "the local command of commit c49c48e")
	out := flag.String("out", "deploy/local/testdata/c49c48e/sluice.tar.gz", "file to write")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx, *local, *out); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, local, out string) error {
	dir, err := os.MkdirTemp("", "sluice")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	inFlight, postponed := make(chan struct{}, 10), make(chan struct{}, 10)
	// The endpoint never responds for the order "in-flight", postpones the order
	// "postponed" for 50 minutes, and completes all others.
	orders := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case bytes.Contains(body, []byte(`"in-flight"`)):
			inFlight <- struct{}{}
			<-ctx.Done()
		case bytes.Contains(body, []byte(`"postponed"`)):
			w.Header().Set("Retry-After", "3000")
			w.WriteHeader(http.StatusTooManyRequests)
			postponed <- struct{}{}
		}
	}))
	stack := exec.CommandContext(ctx, local, "-data", dir, "-addr", "127.0.0.1:0")
	stack.Env = append(os.Environ(), "ORDER_ENDPOINT="+orders.URL)
	stack.Stderr = os.Stderr
	if err := stack.Start(); err != nil {
		return err
	}
	defer func() { _ = stack.Process.Kill() }()
	if err := fill(ctx, local, dir, inFlight, postponed); err != nil {
		return err
	}
	if err := stack.Process.Kill(); err != nil { // SIGKILL
		return err
	}
	_ = stack.Wait()
	return pack(dir, out)
}

// fill uses the stack that serves dir.
func fill(ctx context.Context, local, dir string, inFlight, postponed <-chan struct{}) error {
	s3Client, sqsClient, err := clients(ctx, dir)
	if err != nil {
		return err
	}
	command := func(args ...string) error {
		b, err := exec.CommandContext(ctx, local, append([]string{"-data", dir}, args...)...).CombinedOutput()
		log.Printf("%s\n%s", strings.Join(args, " "), b)
		return err
	}
	rejected := func(err error) error { // exit status 1
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
			return nil
		}
		return fmt.Errorf("got %v, want the exit status 1", err)
	}
	const images = "testdata/images/"
	for _, err := range []error{
		command(images+"lossy.webp", images+"orientation-1-upright.jpg"),
		rejected(command(images + "bad/truncated.jpg")),
		command("send", "user-registration", `{"email":"ada@example.com","name":"Ada"}`),
		command("send", "order-processing", `{"email":"ada@example.com","id":"completed","amount":1250,"currency":"EUR"}`),
		rejected(command("send", "unknown-type", `{"a":1}`)),
		command("set-status", "user#ada@example.com", "suspended"),
	} {
		if err != nil {
			return err
		}
	}
	if err := fillBuckets(ctx, s3Client); err != nil {
		return err
	}
	return fillQueues(ctx, sqsClient, inFlight, postponed)
}

func fillBuckets(ctx context.Context, c *s3.Client) error {
	bucket := aws.String("archive")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	_, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("notes/größe 1+1.txt"), Body: strings.NewReader("kept since c49c48e\n"),
		ContentType: aws.String("text/plain"), CacheControl: aws.String("no-cache"), Metadata: map[string]string{"author": "ada"},
	})
	if err != nil {
		return err
	}
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("large"), Body: strings.NewReader(strings.Repeat("0123456789abcdef", 1<<16))})
	if err != nil {
		return err
	}
	for key, complete := range map[string]bool{"multipart/complete": true, "multipart/in-progress": false} {
		up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: bucket, Key: &key, ContentType: aws.String("text/x-parts"), Metadata: map[string]string{"author": "ada"},
		})
		if err != nil {
			return err
		}
		part, err := c.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("the one part"),
		})
		if err != nil {
			return err
		}
		if !complete {
			continue
		}
		_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: &key, UploadId: up.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func fillQueues(ctx context.Context, c *sqs.Client, inFlight, postponed <-chan struct{}) error {
	mine, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("mine"), Attributes: map[string]string{"VisibilityTimeout": "45"}})
	if err != nil {
		return err
	}
	fifo, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("mine.fifo"), Attributes: map[string]string{"FifoQueue": "true", "VisibilityTimeout": "600"}})
	if err != nil {
		return err
	}
	_, err = c.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: mine.QueueUrl, MessageBody: aws.String("waiting"),
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{"color": {DataType: aws.String("String"), StringValue: aws.String("green")}},
	})
	if err != nil {
		return err
	}
	for i := range 3 {
		_, err := c.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: fifo.QueueUrl, MessageBody: aws.String(fmt.Sprint("message ", i)),
			MessageGroupId: aws.String("group"), MessageDeduplicationId: aws.String(fmt.Sprint("id", i)),
		})
		if err != nil {
			return err
		}
	}
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: fifo.QueueUrl, MaxNumberOfMessages: 1})
	if err != nil || len(got.Messages) != 1 {
		return fmt.Errorf("receive from mine.fifo: got %d messages, %v", len(got.Messages), err)
	}
	jobs, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	if err != nil {
		return err
	}
	for _, m := range []struct {
		body  string
		delay int32
		seen  <-chan struct{}
	}{
		{`{"type":"user-registration","data":{"email":"delayed@example.com","name":"Delayed"}}`, 900, nil},
		{`{"type":"order-processing","data":{"email":"ada@example.com","id":"postponed"}}`, 0, postponed},
		{`{"type":"order-processing","data":{"email":"ada@example.com","id":"in-flight"}}`, 0, inFlight},
	} {
		if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: jobs.QueueUrl, MessageBody: &m.body, DelaySeconds: m.delay}); err != nil {
			return err
		}
		if m.seen != nil {
			select {
			case <-m.seen:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	time.Sleep(2 * time.Second) // for the postponed order's visibility timeout and the notifications
	return nil
}

// clients returns clients of the stack that serves dir, when it does.
func clients(ctx context.Context, dir string) (*s3.Client, *sqs.Client, error) {
	var info struct{ URL, AccessKey, SecretKey string }
	for {
		b, err := os.ReadFile(filepath.Join(dir, "address.json"))
		if err == nil {
			err = json.Unmarshal(b, &info)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			return nil, nil, errors.Join(err, ctx.Err())
		}
		time.Sleep(50 * time.Millisecond)
	}
	keys := credentials.NewStaticCredentialsProvider(info.AccessKey, info.SecretKey, "")
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &info.URL, Credentials: keys, UsePathStyle: true}),
		sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: &info.URL, Credentials: keys}), nil
}

// pack writes the files of dir to the archive out, with a file "killed" that
// holds the time of the kill.
func pack(dir, out string) error {
	var b bytes.Buffer
	zip, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(zip)
	killed := time.Now().UTC().Format(time.RFC3339)
	if err := os.WriteFile(filepath.Join(dir, "killed"), []byte(killed), 0o600); err != nil {
		return err
	}
	if err := archive.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return err
	}
	log.Printf("%s: %d bytes, killed at %s", out, b.Len(), killed)
	return os.WriteFile(out, b.Bytes(), 0o644)
}
