package uploads

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/thumbnail"
)

// object is one that the memory keeps.
type object struct {
	data                      []byte
	contentType, cacheControl string
	metadata                  map[string]string
}

func (o object) etag() string { return fmt.Sprintf("%x", md5.Sum(o.data)) }

// memory is S3 in memory. before is called for each call, and may change the
// objects meanwhile, or be the call's error.
type memory struct {
	mu      sync.Mutex
	objects map[string]object // by bucket/key
	calls   []string          // like "GET uploads/a.png"
	before  func(call string) error
	body    func(name string, r io.Reader) io.Reader // what GET gives to read; nil is all of it
}

func (m *memory) put(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[name] = object{data: data}
}

func (m *memory) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
}

func (m *memory) get(name string) (object, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	return o, ok
}

// names are the objects of a bucket.
func (m *memory) names(bucket string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if key, ok := strings.CutPrefix(name, bucket+"/"); ok {
			all = append(all, key)
		}
	}
	return all
}

// called are the calls with one of the verbs.
func (m *memory) called(verbs ...string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, c := range m.calls {
		if verb, _, _ := strings.Cut(c, " "); slices.Contains(verbs, verb) {
			all = append(all, c)
		}
	}
	return all
}

func (m *memory) call(verb string, bucket, key *string) (name string, err error) {
	name = *bucket + "/" + *key
	m.mu.Lock()
	m.calls = append(m.calls, verb+" "+name)
	before := m.before
	m.mu.Unlock()
	if before != nil {
		err = before(verb + " " + name)
	}
	if err == nil && len(*key) > maxKeyBytes {
		err = refused(http.StatusBadRequest, "KeyTooLongError")
	}
	return name, err
}

func (m *memory) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	name, err := m.call("GET", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	o, ok := m.get(name + aws.ToString(in.VersionId))
	if !ok {
		return nil, refused(http.StatusNotFound, "NoSuchKey")
	}
	var r io.Reader = bytes.NewReader(o.data)
	if m.body != nil {
		r = m.body(name, r)
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(r), ETag: aws.String(`"` + o.etag() + `"`), ContentLength: aws.Int64(int64(len(o.data)))}, nil
}

func (m *memory) HeadObject(_ context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	name, err := m.call("HEAD", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	o, ok := m.get(name)
	if !ok {
		return nil, refused(http.StatusNotFound, "NotFound")
	}
	return &s3.HeadObjectOutput{ETag: aws.String(`"` + o.etag() + `"`)}, nil
}

func (m *memory) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	name, err := m.call("PUT", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(in.Body)
	if err != nil || in.ContentLength != nil && int(*in.ContentLength) != len(data) {
		return nil, fmt.Errorf("body of %d bytes: %w", len(data), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[name] = object{data, aws.ToString(in.ContentType), aws.ToString(in.CacheControl), in.Metadata}
	return &s3.PutObjectOutput{}, nil
}

func (m *memory) DeleteObject(_ context.Context, in *s3.DeleteObjectInput, _ ...func(*s3.Options)) (*s3.DeleteObjectOutput, error) {
	name, err := m.call("DELETE", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	m.remove(name)
	return &s3.DeleteObjectOutput{}, nil
}

// refused returns the SDK's error for an error code of S3.
func refused(status int, code string) error {
	return answered(status, &smithy.GenericAPIError{Code: code, Message: "as S3 says"})
}

// queue is an in-memory SQS for one worker.
type queue struct {
	mu          sync.Mutex
	messages    []pipeline.Message
	urls        []string // of the queues that the messages went to
	deadLetters []*sqs.SendMessageInput
	delayed     []*sqs.ChangeMessageVisibilityInput
	err         error // of SendMessageBatch
}

func (q *queue) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	for _, e := range in.Entries {
		m, err := pipeline.DecodeMessage([]byte(*e.MessageBody))
		if err != nil {
			return nil, err
		}
		q.messages, q.urls = append(q.messages, m), append(q.urls, *in.QueueUrl)
	}
	return &sqs.SendMessageBatchOutput{}, nil
}

func (q *queue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deadLetters = append(q.deadLetters, in)
	return &sqs.SendMessageOutput{}, nil
}

func (q *queue) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.delayed = append(q.delayed, in)
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// reasons returns the reasons of the dead letters.
func (q *queue) reasons() []string {
	var all []string
	for _, l := range q.deadLetters {
		all = append(all, attribute(l.MessageAttributes, sqsqueue.AttrReason))
	}
	return all
}

func attribute(attrs map[string]types.MessageAttributeValue, name string) string {
	return aws.ToString(attrs[name].StringValue)
}

// bench is a worker over in-memory S3 and SQS.
type bench struct {
	*testing.T
	*Worker
	s3  *memory
	sqs *queue
	seq int
}

// settings returns the configuration of a bench: two small sizes and 128 MB.
func settings() Config {
	return Config{
		ThumbnailBucket: "thumbs", Sizes: "8x8,4x4:fill", KeyTemplate: "thumbnails/{size}/{key}",
		Quality: 80, CacheControl: "max-age=60", JobsQueueURL: "http://sqs.test/1/jobs",
		InboxPrefix: "inbox/", InboxTypes: []string{"order-processing", "report-ready"},
		DeadLetterQueueURL: "http://sqs.test/1/dead", DeadLetterBucket: "failures",
		MaxAttempts: 4, Parallel: 4, Reserve: 2 * time.Second, MemoryMB: 128,
	}
}

func newBench(t *testing.T, edit ...func(*Config)) *bench {
	t.Helper()
	c := settings()
	for _, e := range edit {
		e(&c)
	}
	b := &bench{T: t, s3: &memory{objects: map[string]object{}}, sqs: &queue{}}
	w, err := Build(c, Clients{S3: b.s3, SQS: b.sqs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Worker = w
	return b
}

// s3Record returns one record of an S3 event notification.
func (b *bench) s3Record(event, bucket, key string) map[string]any {
	b.seq++
	o := map[string]any{"key": url.QueryEscape(key), "sequencer": fmt.Sprintf("%016X", b.seq)}
	if now, ok := b.s3.get(bucket + "/" + key); ok && strings.HasPrefix(event, "ObjectCreated") {
		o["eTag"], o["size"] = now.etag(), len(now.data)
	}
	return map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-01-02T03:04:05Z", "eventName": event,
		"s3": map[string]any{"bucket": map[string]any{"name": bucket}, "object": o},
	}
}

func (b *bench) created(key string) map[string]any {
	return b.s3Record("ObjectCreated:Put", "uploads", key)
}

func (b *bench) removed(key string) map[string]any {
	return b.s3Record("ObjectRemoved:Delete", "uploads", key)
}

// versionRemoved returns the S3 event of a permanently removed version or delete
// marker.
func (b *bench) versionRemoved(key, version string) map[string]any {
	n := b.removed(key)
	n["s3"].(map[string]any)["object"].(map[string]any)["versionId"] = version
	return n
}

// marked returns the S3 event of a new delete marker on an object.
func (b *bench) marked(key, version string) map[string]any {
	n := b.versionRemoved(key, version)
	n["eventName"] = "ObjectRemoved:DeleteMarkerCreated"
	return n
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func s3Event(records ...map[string]any) string { return asJSON(map[string]any{"Records": records}) }

// sqsEvent is a batch of messages with ids 1, 2, ... on their attempt.
func sqsEvent(attempt int, bodies ...string) []byte {
	records := []any{}
	for i, body := range bodies {
		records = append(records, map[string]any{
			"messageId": fmt.Sprint(i + 1), "receiptHandle": fmt.Sprint("r", i+1), "body": body,
			"attributes":  map[string]string{"ApproximateReceiveCount": fmt.Sprint(attempt), "SentTimestamp": "1767323045000"},
			"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:uploads",
		})
	}
	return []byte(asJSON(map[string]any{"Records": records}))
}

// failures invokes the worker and returns the ids of the failed messages.
func (b *bench) failures(event []byte) []string {
	b.Helper()
	response, err := b.Invoke(b.Context(), event)
	if err != nil {
		b.Fatal(err)
	}
	var a struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(response, &a); err != nil {
		b.Fatal(err)
	}
	var ids []string
	for _, f := range a.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

// done invokes the worker with one message of S3 events that must be acknowledged
// without a dead letter.
func (b *bench) done(records ...map[string]any) {
	b.Helper()
	before := len(b.sqs.deadLetters)
	if ids := b.failures(sqsEvent(1, s3Event(records...))); len(ids) != 0 || len(b.sqs.deadLetters) != before {
		b.Fatalf("got failed messages %v, dead letters %q; want none", ids, b.sqs.reasons())
	}
}

// fails invokes the worker with one message of S3 events that must fail with a
// retryable error that contains text.
func (b *bench) fails(text string, records ...map[string]any) error {
	b.Helper()
	before := len(b.sqs.deadLetters)
	err := b.handle(b.Context(), pipeline.Record{ID: "1", Body: []byte(s3Event(records...))})
	if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), text) {
		b.Fatalf("got %v, want an error to be retried with %q", err, text)
	}
	if ids := b.failures(sqsEvent(1, s3Event(records...))); !slices.Equal(ids, []string{"1"}) || len(b.sqs.deadLetters) != before {
		b.Fatalf("got failed messages %v, dead letters %q; want message 1 and no new dead letter", ids, b.sqs.reasons())
	}
	return err
}

// deadLettered invokes the worker with one message of S3 events that must become a
// dead letter whose reason holds text.
func (b *bench) deadLettered(text string, records ...map[string]any) {
	b.Helper()
	before := len(b.sqs.deadLetters)
	ids := b.failures(sqsEvent(1, s3Event(records...)))
	if reasons := b.sqs.reasons()[before:]; len(ids) != 0 || len(reasons) != 1 || !strings.Contains(reasons[0], text) {
		b.Fatalf("got failed messages %v, dead letters %q; want a dead letter with %q", ids, reasons, text)
	}
}

// told returns the types and subjects of the messages sent.
func (b *bench) told() []string {
	var all []string
	for _, m := range b.sqs.messages {
		all = append(all, m.Type+" "+m.Subject)
	}
	return all
}

func (b *bench) wantTold(want ...string) {
	b.Helper()
	if got := b.told(); !slices.Equal(got, want) {
		b.Errorf("messages: got %q, want %q", got, want)
	}
}

// wantConverged compares the thumbnails of an upload with its current content.
func (b *bench) wantConverged(key string) {
	b.Helper()
	var made []thumbnail.Thumbnail
	source, ok := b.s3.get("uploads/" + key)
	if ok {
		result, err := thumbnail.Make(b.Context(), bytes.NewReader(source.data), b.options)
		if err == nil {
			made = result.Thumbnails
		} else if !isRejection(err) {
			b.Fatal(err)
		}
	}
	for i, size := range b.options.Sizes {
		name := "thumbs/" + b.template.key(size.Name(), "uploads", key)
		got, exists := b.s3.get(name)
		switch {
		case exists != (made != nil):
			b.Errorf("%s exists: got %v, want %v", name, exists, made != nil)
		case exists && (!bytes.Equal(got.data, made[i].Data) || got.metadata["source-etag"] != source.etag()):
			b.Errorf("%s: got a thumbnail of another upload, want that of the current one", name)
		}
	}
}

// data decodes a message's data.
func data[T any](t *testing.T, m pipeline.Message) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(m.Data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// picture is a PNG of one colour.
func picture(w, h int, c color.Color) []byte {
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{c})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var (
	red   = picture(16, 12, color.NRGBA{200, 0, 0, 255})
	green = picture(16, 12, color.NRGBA{0, 200, 0, 255})
	blue  = picture(12, 16, color.NRGBA{0, 0, 200, 255})
)

var _ Objects = (*memory)(nil)
