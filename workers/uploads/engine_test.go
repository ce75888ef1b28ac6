package uploads_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/workers/schema"
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

// engine is a real S3, as .ci/versitygw starts one, with buckets of one test.
type engine struct {
	t                                *testing.T
	client                           *s3.Client
	uploads, thumbnails, deadLetters string
	queue                            queue
}

func openEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, client: engineClient(t, "local")}
	name := strings.ToLower("uploads-" + rand.Text()[:10])
	e.uploads, e.thumbnails, e.deadLetters = name+"-in", name+"-out", name+"-letters"
	for _, bucket := range []string{e.uploads, e.thumbnails, e.deadLetters} {
		if _, err := e.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// engineClient speaks to the engine with a secret.
func engineClient(t *testing.T, secret string) *s3.Client {
	t.Helper()
	const variable = "AWS_ENDPOINT_URL_S3"
	endpoint := os.Getenv(variable)
	if endpoint == "" {
		t.Skipf("%s names no engine; .ci/versitygw starts one", variable)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", secret, "")))
	if err != nil {
		t.Fatal(err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &endpoint, true })
}

// worker builds the worker over a client, which may stand before the engine's.
func (e *engine) worker(objects uploads.Objects, more map[string]string) *uploads.Worker {
	e.t.Helper()
	environ := map[string]string{
		"THUMBNAIL_BUCKET": e.thumbnails, "THUMBNAIL_SIZES": "32x32,16x16:fill", "LETTER_BUCKET": e.deadLetters,
		"JOBS_QUEUE_URL": "jobs", "DEAD_LETTER_QUEUE_URL": "dead",
	}
	maps.Copy(environ, more)
	c, err := setup.Read[uploads.Config](environ)
	if err != nil {
		e.t.Fatal(err)
	}
	w, err := uploads.Build(c, uploads.Clients{S3: objects, SQS: &e.queue}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return w
}

// invoke hands a worker the S3 event of an event, as S3 sends it through a queue,
// and says whether it is to come again.
func (e *engine) invoke(w *uploads.Worker, event, bucket, key string) (again bool) {
	e.t.Helper()
	return e.invokeVersion(w, event, bucket, key, "")
}

// invokeVersion is invoke with the S3 event of a version; "" has none.
func (e *engine) invokeVersion(w *uploads.Worker, event, bucket, key, version string) (again bool) {
	e.t.Helper()
	type m = map[string]any
	object := m{"key": url.QueryEscape(key), "sequencer": "0069573F651ABB8000"}
	if version != "" {
		object["versionId"] = version
	}
	body, err := json.Marshal(m{"Records": []m{{
		"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event, "eventTime": "2026-01-02T03:04:05.000Z",
		"s3": m{"s3SchemaVersion": "1.0", "bucket": m{"name": bucket}, "object": object},
	}}})
	if err != nil {
		e.t.Fatal(err)
	}
	payload, err := json.Marshal(m{"Records": []m{{
		"messageId": "message-1", "receiptHandle": "r", "body": string(body), "attributes": m{"ApproximateReceiveCount": "1"},
		"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:uploads",
	}}})
	if err != nil {
		e.t.Fatal(err)
	}
	raw, err := w.Invoke(e.t.Context(), payload)
	if err != nil {
		e.t.Fatal(err)
	}
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(raw, &response); err != nil {
		e.t.Fatal(err)
	}
	return len(response.BatchItemFailures) > 0
}

func (e *engine) put(key string, body []byte) (etag string) {
	e.t.Helper()
	out, err := e.client.PutObject(e.t.Context(), &s3.PutObjectInput{Bucket: &e.uploads, Key: &key, Body: bytes.NewReader(body)})
	if err != nil {
		e.t.Fatal(err)
	}
	return strings.Trim(*out.ETag, `"`)
}

// thumbnail returns a thumbnail as the engine has it; nil if there is none.
func (e *engine) thumbnail(key string) *s3.GetObjectOutput {
	e.t.Helper()
	out, err := e.client.GetObject(e.t.Context(), &s3.GetObjectInput{Bucket: &e.thumbnails, Key: &key})
	if _, ok := errors.AsType[*types.NoSuchKey](err); ok {
		return nil
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// queue keeps what the worker sends.
type queue struct {
	mu   sync.Mutex
	sent []sent
}

type sent struct{ queue, typ, data string }

func (q *queue) add(url, body string) {
	var m struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	_ = json.Unmarshal([]byte(body), &m) // a dead letter is no message
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent = append(q.sent, sent{url, m.Type, string(m.Data)})
}

func (q *queue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.add(*in.QueueUrl, *in.MessageBody)
	return &sqs.SendMessageOutput{}, nil
}

func (q *queue) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	for _, entry := range in.Entries {
		q.add(*in.QueueUrl, *entry.MessageBody)
	}
	return &sqs.SendMessageBatchOutput{}, nil
}

func (q *queue) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// take returns the types of what was sent, and forgets it.
func (q *queue) take() (types []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.sent {
		types = append(types, s.queue+" "+s.typ)
	}
	q.sent = nil
	return types
}

// picture is a small JPEG; pictures of different shades have different ETags.
func picture(t *testing.T, shade uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 96, 48))
	for i := range img.Pix {
		img.Pix[i] = shade
	}
	img.SetGray(3, 3, color.Gray{Y: 255 - shade})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	created = "ObjectCreated:Put"
	removed = "ObjectRemoved:Delete"
)

// oddKeys are keys that a query, a path or a file system might mistake.
var oddKeys = []string{
	"photo.jpg", "a folder/with spaces.jpg", "plus+and%2Bpercent%.jpg", "grüße/日本語/🙂.jpg", "a//b.jpg", "quote'\"<&>.jpg", "what?is#this.jpg", "semi;colon,comma=eq.jpg",
}

// TestPictureOnEngine: a picture's life, under keys of every kind.
func TestPictureOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	w := e.worker(e.client, nil)
	for _, key := range oddKeys {
		etag := e.put(key, picture(t, 40))
		if e.invoke(w, created, e.uploads, key) {
			t.Fatalf("%q: comes again", key)
		}
		for size, width := range map[string]int{"32x32": 32, "16x16-fill": 16} {
			out := e.thumbnail("thumbnails/" + size + "/" + key)
			if out == nil {
				t.Fatalf("%q: no thumbnail %s", key, size)
			}
			picture, format, err := image.Decode(out.Body)
			if err != nil || format != "jpeg" || picture.Bounds().Dx() != width {
				t.Errorf("%q: thumbnail %s is %v %v, %v", key, size, format, picture, err)
			}
			if aws.ToString(out.ContentType) != "image/jpeg" || aws.ToString(out.CacheControl) != "public, max-age=3600" || out.Metadata["source-etag"] != etag {
				t.Errorf("%q: headers of thumbnail %s: %v %v %v, made of %s", key, size, aws.ToString(out.ContentType), aws.ToString(out.CacheControl), out.Metadata, etag)
			}
		}
		if got := e.queue.take(); !slices.Equal(got, []string{"jobs " + schema.TypeImageProcessed}) {
			t.Errorf("%q: sent %q", key, got)
		}

		// Overwritten: the late S3 event of the first version makes the second's.
		etag = e.put(key, picture(t, 200))
		e.invoke(w, created, e.uploads, key)
		if out := e.thumbnail("thumbnails/32x32/" + key); out == nil || out.Metadata["source-etag"] != etag {
			t.Errorf("%q: the thumbnail is not that of the second version", key)
		}
		e.queue.take()

		// Removed: a late S3 event of the creation takes the thumbnails along and
		// says nothing, that of the removal says so.
		if _, err := e.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &e.uploads, Key: &key}); err != nil {
			t.Fatal(err)
		}
		if e.invoke(w, created, e.uploads, key) {
			t.Errorf("%q: what is gone comes again", key)
		}
		if got := e.queue.take(); len(got) != 0 {
			t.Errorf("%q: gone, and %q was sent", key, got)
		}
		e.invoke(w, removed, e.uploads, key)
		if got := e.queue.take(); !slices.Equal(got, []string{"jobs " + schema.TypeImageRemoved}) {
			t.Errorf("%q: sent %q", key, got)
		}
		for _, size := range []string{"32x32", "16x16-fill"} {
			if e.thumbnail("thumbnails/"+size+"/"+key) != nil {
				t.Errorf("%q: thumbnail %s outlived its picture", key, size)
			}
		}
	}
}

// TestRejectedOnEngine: what is no picture loses the thumbnails it had.
func TestRejectedOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	w := e.worker(e.client, nil)
	e.put("photo.jpg", picture(t, 40))
	e.invoke(w, created, e.uploads, "photo.jpg")
	e.queue.take()
	e.put("photo.jpg", []byte("no picture at all"))
	if e.invoke(w, created, e.uploads, "photo.jpg") {
		t.Error("comes again")
	}
	if got := e.queue.take(); !slices.Equal(got, []string{"jobs " + schema.TypeImageRejected}) {
		t.Errorf("sent %q", got)
	}
	if e.thumbnail("thumbnails/32x32/photo.jpg") != nil {
		t.Error("the old thumbnail is still there")
	}
}

// racer overwrites the source whenever the worker has written a thumbnail, a few
// times.
type racer struct {
	*s3.Client
	left int
	race func()
}

func (r *racer) PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	out, err := r.Client.PutObject(ctx, in, o...)
	if r.left > 0 {
		r.left--
		r.race()
	}
	return out, err
}

// TestOverwrittenMeanwhileOnEngine: a picture that changes while its thumbnails
// are made ends with those of its last version.
func TestOverwrittenMeanwhileOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	shade, etag := uint8(10), e.put("photo.jpg", picture(t, 10))
	r := &racer{Client: e.client, left: 3}
	r.race = func() {
		shade += 50
		etag = e.put("photo.jpg", picture(t, shade))
	}
	if e.invoke(e.worker(r, nil), created, e.uploads, "photo.jpg") {
		t.Error("comes again")
	}
	for _, size := range []string{"32x32", "16x16-fill"} {
		if out := e.thumbnail("thumbnails/" + size + "/photo.jpg"); out == nil || out.Metadata["source-etag"] != etag {
			t.Errorf("thumbnail %s is not that of the last version", size)
		}
	}
	if got := e.queue.take(); len(got) != 1 || shade != 160 {
		t.Errorf("sent %q after %d overwrites, want one message", got, (shade-10)/50)
	}
}

// TestInboxOnEngine: a file's messages are queued, and too long a bad one goes
// whole to the dead letter bucket.
func TestInboxOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	w := e.worker(e.client, map[string]string{"INBOX_TYPES": schema.TypeUserRegistration})
	line := `{"type":"user-registration","data":{"email":"ann@example.com"}}` + "\n"
	e.put("inbox/new users.ndjson", []byte(strings.Repeat(line, 25)))
	if e.invoke(w, created, e.uploads, "inbox/new users.ndjson") {
		t.Error("comes again")
	}
	if got := e.queue.take(); len(got) != 25 || got[0] != "jobs "+schema.TypeUserRegistration {
		t.Errorf("sent %d: %q", len(got), got)
	}
	e.put("inbox/bad.json", []byte(`{"type":"order-processing","data":{}}`))
	if e.invoke(w, created, e.uploads, "inbox/bad.json") {
		t.Error("a permanent failure comes again")
	}
	if got := e.queue.take(); len(got) != 1 || !strings.HasPrefix(got[0], "dead ") {
		t.Errorf("sent %q, want one dead letter", got)
	}
}

// TestWhatIsNotGoneOnEngine: a bucket that is not there and a refusal are not an
// object that is gone: thumbnails stay, and the S3 event comes again.
func TestWhatIsNotGoneOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	e.put("photo.jpg", picture(t, 40))
	e.invoke(e.worker(e.client, nil), created, e.uploads, "photo.jpg")
	if !e.invoke(e.worker(e.client, nil), created, e.uploads+"-none", "photo.jpg") {
		t.Error("a bucket that is not there: settled, want it again")
	}
	if !e.invoke(e.worker(e.client, nil), removed, e.uploads+"-none", "photo.jpg") {
		t.Error("a removal in a bucket that is not there: settled, want it again")
	}
	if !e.invoke(e.worker(engineClient(t, "wrong"), nil), removed, e.uploads, "photo.jpg") {
		t.Error("a refusal: settled, want it again")
	}
	if e.thumbnail("thumbnails/32x32/photo.jpg") == nil {
		t.Error("the thumbnail is gone")
	}
}

// TestVersionsOnEngine: in a versioned bucket, too, the last version counts, and a
// delete marker is a removal.
func TestVersionsOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	_, err := e.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &e.uploads, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := e.worker(e.client, nil)
	for i := range 3 {
		etag := e.put("photo.jpg", picture(t, uint8(20*i)))
		e.invoke(w, created, e.uploads, "photo.jpg")
		out := e.thumbnail("thumbnails/32x32/photo.jpg")
		if out == nil || out.Metadata["source-etag"] != etag {
			t.Fatalf("version %d: not its thumbnail", i+1)
		}
	}
	e.queue.take()
	if _, err := e.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &e.uploads, Key: aws.String("photo.jpg")}); err != nil {
		t.Fatal(err)
	}
	e.invoke(w, "ObjectRemoved:DeleteMarkerCreated", e.uploads, "photo.jpg")
	if got := e.queue.take(); !slices.Equal(got, []string{"jobs " + schema.TypeImageRemoved}) || e.thumbnail("thumbnails/32x32/photo.jpg") != nil {
		t.Errorf("after a delete marker: sent %q", got)
	}
}

// TestVersionsRemovedOnEngine takes versions away from the top: each time the one
// below stands, without an S3 event of its own.
func TestVersionsRemovedOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	_, err := e.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &e.uploads, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	w, key := e.worker(e.client, nil), "photo.jpg"
	first := e.put(key, picture(t, 20))
	second := e.put(key, picture(t, 120))
	e.invoke(w, created, e.uploads, key)
	marked, err := e.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &e.uploads, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	e.invokeVersion(w, "ObjectRemoved:DeleteMarkerCreated", e.uploads, key, *marked.VersionId)
	e.queue.take()
	for _, step := range []struct{ name, etag, typ string }{
		{"the marker", second, schema.TypeImageProcessed},
		{"the second version", first, schema.TypeImageProcessed},
		{"the first version", "", schema.TypeImageRemoved},
	} {
		version := marked.VersionId
		if step.name != "the marker" {
			head, err := e.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &e.uploads, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			version = head.VersionId
		}
		if _, err := e.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &e.uploads, Key: &key, VersionId: version}); err != nil {
			t.Fatal(err)
		}
		if e.invokeVersion(w, removed, e.uploads, key, *version) {
			t.Errorf("%s: comes again", step.name)
		}
		if got := e.queue.take(); !slices.Equal(got, []string{"jobs " + step.typ}) {
			t.Errorf("%s went: sent %q, want %s", step.name, got, step.typ)
		}
		switch out := e.thumbnail("thumbnails/32x32/" + key); {
		case out == nil && step.etag != "":
			t.Errorf("%s went: no thumbnail of what stands now", step.name)
		case out != nil && out.Metadata["source-etag"] != step.etag:
			t.Errorf("%s went: a thumbnail of %s, want %q", step.name, out.Metadata["source-etag"], step.etag)
		}
	}
}

// TestLargeUploadOnEngine: a picture that came in parts has another kind of ETag,
// which is carried like any.
func TestLargeUploadOnEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	key := "large.jpg"
	up, err := e.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &e.uploads, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	// What follows the end of a JPEG is of no concern to it.
	body := append(picture(t, 90), make([]byte, 6<<20)...)
	done := &types.CompletedMultipartUpload{}
	for i, part := range [][]byte{body[:5<<20], body[5<<20:]} {
		n := aws.Int32(int32(i + 1))
		out, err := e.client.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &e.uploads, Key: &key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(part),
		})
		if err != nil {
			t.Fatal(err)
		}
		done.Parts = append(done.Parts, types.CompletedPart{ETag: out.ETag, PartNumber: n})
	}
	whole, err := e.client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &e.uploads, Key: &key, UploadId: up.UploadId, MultipartUpload: done,
	})
	if err != nil {
		t.Fatal(err)
	}
	etag := strings.Trim(*whole.ETag, `"`)
	if e.invoke(e.worker(e.client, nil), created, e.uploads, key) {
		t.Error("comes again")
	}
	out := e.thumbnail("thumbnails/32x32/" + key)
	if out == nil || out.Metadata["source-etag"] != etag || !strings.HasSuffix(etag, "-"+strconv.Itoa(len(done.Parts))) {
		t.Fatalf("no thumbnail of %q", etag)
	}
	if _, err := io.Copy(io.Discard, out.Body); err != nil {
		t.Error(err)
	}
}
