// Package harness is the test harness of the workers: it runs a worker with a
// recorded event on throw-away backends and returns the outcome. The backends
// speak the protocols of S3, SQS and, as far as the workers use it, DynamoDB, on
// loopback over a temporary folder.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/local/s3server"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable/dynamotest"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
)

const (
	region          = "us-east-1"
	tableName       = "records"
	stateName       = "state"
	deadLetterQueue = "dead"
	source          = "source"
	failures        = "failures"
	uploaded        = "uploads"
	thumbnails      = "thumbnails"
)

var (
	queueNames  = []string{"jobs", "notifications", deadLetterQueue, source}
	bucketNames = []string{uploaded, thumbnails, failures}
)

// Harness has the backends of one replay. Not safe for concurrent use.
type Harness struct {
	dir     string
	db      *store.DB
	objects http.Handler
	queues  *sqsserver.Service
	tables  *dynamotest.Server
	server  *httptest.Server
	outbox  string
	config  aws.Config
	extra   map[string]string
	observe Observer
}

// New starts the backends and uploads the objects that the event names and
// testdata has: the files under testdata/events/uploads/objects, and for a key
// photos/.../NAME the picture testdata/images/NAME or testdata/images/bad/NAME.
// The caller closes the harness.
func New(ctx context.Context, testdata string, event []byte) (_ *Harness, err error) {
	h := &Harness{tables: new(dynamotest.Server)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if h.dir, err = os.MkdirTemp("", "sluice-replay-"); err != nil {
		return nil, err
	}
	h.outbox = filepath.Join(h.dir, "outbox")
	// The folder is temporary, so nothing needs to be synced to disk.
	if h.db, err = store.Open(h.dir, store.Options{NoSync: true}); err != nil {
		return nil, err
	}
	objects, err := objectstore.Open(h.db, objectstore.Options{Region: region})
	if err != nil {
		return nil, err
	}
	h.objects = s3server.New(objects, s3server.Options{})
	h.server = httptest.NewServer(http.HandlerFunc(h.route))
	if h.queues, err = sqsserver.New(h.db, sqsserver.Options{Region: region, BaseURL: h.server.URL}); err != nil {
		return nil, err
	}
	h.config = aws.Config{
		Region: region, BaseEndpoint: &h.server.URL, HTTPClient: h.server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("replay", "replay", ""),
	}
	for _, name := range queueNames {
		if err := h.queues.Create(ctx, name, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range bucketNames {
		if err := objects.EnsureBucket(ctx, name); err != nil {
			return nil, err
		}
	}
	return h, h.putObjects(ctx, testdata, event)
}

// route passes a request to one of the three services, by its header.
func (h *Harness) route(w http.ResponseWriter, req *http.Request) {
	switch target := req.Header.Get("X-Amz-Target"); {
	case strings.HasPrefix(target, "AmazonSQS."):
		h.queues.ServeHTTP(w, req)
	case strings.HasPrefix(target, "DynamoDB_"):
		h.tables.ServeHTTP(w, req)
	default:
		h.objects.ServeHTTP(w, req)
	}
}

// putObjects uploads the objects whose creation the event reports.
func (h *Harness) putObjects(ctx context.Context, testdata string, event []byte) error {
	batch, err := lambdaevent.Decode(event)
	if err != nil {
		return nil // the worker reports it
	}
	client := h.s3()
	for _, record := range batch.Records {
		if err := h.putDeadLetter(ctx, testdata, record); err != nil {
			return err
		}
		events, _ := lambdaevent.S3Events(record.Body) // the worker reports the error
		for _, e := range events {
			file := objectFile(testdata, e.Key)
			if e.Type != lambdaevent.Created || file == "" {
				continue
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(uploaded), Key: &e.Key, Body: f})
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// putDeadLetter uploads the body of a redriven dead letter that is stored in the
// bucket, if testdata has it.
func (h *Harness) putDeadLetter(ctx context.Context, testdata string, record pipeline.Record) error {
	var p sqsqueue.DeadLetterPointer
	if record.Attrs[sqsqueue.AttrEncoding] != sqsqueue.EncodingS3 || json.Unmarshal(record.Body, &p) != nil || !filepath.IsLocal(p.Key) {
		return nil
	}
	body, err := os.ReadFile(filepath.Join(testdata, "events", "messages", "objects", filepath.FromSlash(p.Key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = h.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(failures), Key: &p.Key, Body: bytes.NewReader(body)})
	}
	return err
}

// objectFile returns the file with an object's content, or "" if there is none.
func objectFile(testdata, key string) string {
	name := path.Base(key)
	candidates := []string{filepath.Join("images", name), filepath.Join("images", "bad", name)}
	if !strings.HasPrefix(key, "photos/") {
		candidates = []string{filepath.Join("events", "uploads", "objects", filepath.FromSlash(key))}
	}
	for _, c := range candidates {
		file := filepath.Join(testdata, c)
		if info, err := os.Stat(file); filepath.IsLocal(c) && err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// Close stops the backends and removes their folder.
func (h *Harness) Close() error {
	if h.server != nil {
		h.server.CloseClientConnections()
		h.server.Close()
	}
	var problems []error
	if h.queues != nil {
		problems = append(problems, h.queues.Close())
	}
	if h.db != nil {
		problems = append(problems, h.db.Close())
	}
	if h.dir != "" {
		problems = append(problems, os.RemoveAll(h.dir))
	}
	return errors.Join(problems...)
}

func (h *Harness) s3() *s3.Client { return s3Client(h.config) }

func s3Client(config aws.Config) *s3.Client {
	return s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

func (h *Harness) sqs() *sqs.Client { return sqs.NewFromConfig(h.config) }

// Set adds or replaces a setting of the workers that are built after it.
func (h *Harness) Set(name, value string) {
	if h.extra == nil {
		h.extra = make(map[string]string)
	}
	h.extra[name] = value
}

// Settings returns the environment of a worker, in this process or in one of its
// own.
func (h *Harness) Settings() map[string]string {
	settings := map[string]string{
		"AWS_ENDPOINT_URL":                h.server.URL,
		"AWS_REGION":                      region,
		"AWS_ACCESS_KEY_ID":               "replay",
		"AWS_SECRET_ACCESS_KEY":           "replay",
		"AWS_EC2_METADATA_DISABLED":       "true",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
		"THUMBNAIL_BUCKET":                thumbnails,
		"THUMBNAIL_SIZES":                 "200x200,64x64:fill",
		"INBOX_TYPES":                     "user-registration,order-processing",
		"JOBS_QUEUE_URL":                  h.queues.URL("jobs"),
		"NOTIFICATIONS_QUEUE_URL":         h.queues.URL("notifications"),
		"DEAD_LETTER_QUEUE_URL":           h.queues.URL(deadLetterQueue),
		"SOURCE_QUEUE_URL":                h.queues.URL(source),
		"LETTER_BUCKET":                   failures,
		"RECORDS_TABLE":                   tableName,
		"STATE_TABLE":                     stateName,
		"JWT_KEYS":                        "replay=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"BCRYPT_COST":                     "4",
		"NOTIFY_TO":                       "operator@example.com",
		"OUTBOX_DIR":                      h.outbox,
		"MAX_ATTEMPTS":                    "4",
		"PARALLEL":                        "1", // so that an event has the same outcome each time
	}
	maps.Copy(settings, h.extra)
	return settings
}

// sent returns the notifications in the outbox.
func (h *Harness) sent() ([]notify.Notification, error) {
	if _, err := os.Stat(h.outbox); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return notify.ReadOutbox(h.outbox)
}
