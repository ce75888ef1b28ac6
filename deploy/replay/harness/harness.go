// Package rig runs a worker on throw-away backends: real S3 and SQS protocols,
// and DynamoDB's as far as it is used, on loopback over a folder that goes when
// the rig is closed. It feeds the worker a recorded event and tells everything
// that came of it.
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
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable/dynamotest"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
)

const (
	region      = "us-east-1"
	tableName   = "records"
	stateName   = "state"
	deadLetters = "dead"
	source      = "source"
	failures    = "failures"
	uploaded    = "uploads"
	thumbnails  = "thumbnails"
)

var (
	queueNames  = []string{"jobs", "notifications", deadLetters, source}
	bucketNames = []string{uploaded, thumbnails, failures}
)

// Harness is a set of backends for one replay. Not safe for concurrent use.
type Harness struct {
	dir     string
	db      *store.DB
	objects *s3server.Service
	queues  *sqsserver.Service
	tables  *dynamotest.Server
	server  *httptest.Server
	outbox  string
	config  aws.Config
	extra   map[string]string
	observe Observer
}

// New makes the backends, with the objects that the event speaks of, as far as
// testdata has them: what lies under testdata/events/uploads/objects, and for a
// key photos/.../NAME the picture testdata/images/NAME or .../bad/NAME. Close it.
func New(ctx context.Context, testdata string, event []byte) (_ *Harness, err error) {
	r := &Harness{tables: new(dynamotest.Server)}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.dir, err = os.MkdirTemp("", "sluice-replay-"); err != nil {
		return nil, err
	}
	r.outbox = filepath.Join(r.dir, "outbox")
	// What is thrown away need not reach the disk.
	if r.db, err = store.Open(r.dir, store.Options{NoSync: true}); err != nil {
		return nil, err
	}
	if r.objects, err = s3server.New(r.db, s3server.Options{Region: region}); err != nil {
		return nil, err
	}
	r.server = httptest.NewServer(http.HandlerFunc(r.route))
	if r.queues, err = sqsserver.New(r.db, sqsserver.Options{Region: region, BaseURL: r.server.URL}); err != nil {
		return nil, err
	}
	r.config = aws.Config{
		Region: region, BaseEndpoint: &r.server.URL, HTTPClient: r.server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("replay", "replay", ""),
	}
	for _, name := range queueNames {
		if err := r.queues.Create(ctx, name, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range bucketNames {
		if err := r.objects.CreateBucket(ctx, name); err != nil {
			return nil, err
		}
	}
	return r, r.putObjects(ctx, testdata, event)
}

// route tells the three services apart by how their clients speak.
func (r *Harness) route(w http.ResponseWriter, req *http.Request) {
	switch target := req.Header.Get("X-Amz-Target"); {
	case strings.HasPrefix(target, "AmazonSQS."):
		r.queues.ServeHTTP(w, req)
	case strings.HasPrefix(target, "DynamoDB_"):
		r.tables.ServeHTTP(w, req)
	default:
		r.objects.ServeHTTP(w, req)
	}
}

// putObjects uploads the objects whose creation the event tells of.
func (r *Harness) putObjects(ctx context.Context, testdata string, event []byte) error {
	batch, err := lambdaevent.Decode(event)
	if err != nil {
		return nil // it is the worker's to say so
	}
	client := r.s3()
	for _, record := range batch.Records {
		if err := r.putLetter(ctx, testdata, record); err != nil {
			return err
		}
		notices, _ := lambdaevent.S3Events(record.Body) // likewise
		for _, n := range notices {
			file := objectFile(testdata, n.Key)
			if n.Type != lambdaevent.Created || file == "" {
				continue
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(uploaded), Key: &n.Key, Body: f})
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// putLetter puts down the body of a redriven long letter, if testdata has it.
func (r *Harness) putLetter(ctx context.Context, testdata string, record pipeline.Record) error {
	var p sqsqueue.DeadLetterPointer
	if record.Attrs[sqsqueue.AttrEncoding] != sqsqueue.EncodingS3 || json.Unmarshal(record.Body, &p) != nil || !filepath.IsLocal(p.Key) {
		return nil
	}
	body, err := os.ReadFile(filepath.Join(testdata, "events", "messages", "objects", filepath.FromSlash(p.Key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = r.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(failures), Key: &p.Key, Body: bytes.NewReader(body)})
	}
	return err
}

// objectFile is the file that stands for an object; "" if there is none.
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

// Close takes the backends down and removes all they held.
func (r *Harness) Close() error {
	if r.server != nil {
		r.server.CloseClientConnections()
		r.server.Close()
	}
	var problems []error
	if r.queues != nil {
		problems = append(problems, r.queues.Close())
	}
	if r.db != nil {
		problems = append(problems, r.db.Close())
	}
	if r.dir != "" {
		problems = append(problems, os.RemoveAll(r.dir))
	}
	return errors.Join(problems...)
}

func (r *Harness) s3() *s3.Client { return s3Client(r.config) }

func s3Client(config aws.Config) *s3.Client {
	return s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

func (r *Harness) sqs() *sqs.Client { return sqs.NewFromConfig(r.config) }

// Set gives the workers that are built from now on one more setting, or another
// value of one.
func (r *Harness) Set(name, value string) {
	if r.extra == nil {
		r.extra = make(map[string]string)
	}
	r.extra[name] = value
}

// Settings are the environment under which a worker runs here, as a process of
// its own or in this one.
func (r *Harness) Settings() map[string]string {
	settings := map[string]string{
		"AWS_ENDPOINT_URL":                r.server.URL,
		"AWS_REGION":                      region,
		"AWS_ACCESS_KEY_ID":               "replay",
		"AWS_SECRET_ACCESS_KEY":           "replay",
		"AWS_EC2_METADATA_DISABLED":       "true",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
		"THUMBNAIL_BUCKET":                thumbnails,
		"THUMBNAIL_SIZES":                 "200x200,64x64:fill",
		"INBOX_TYPES":                     "user-registration,order-processing",
		"JOBS_QUEUE_URL":                  r.queues.URL("jobs"),
		"NOTIFICATIONS_QUEUE_URL":         r.queues.URL("notifications"),
		"DEAD_LETTER_QUEUE_URL":           r.queues.URL(deadLetters),
		"SOURCE_QUEUE_URL":                r.queues.URL(source),
		"LETTER_BUCKET":                   failures,
		"RECORDS_TABLE":                   tableName,
		"STATE_TABLE":                     stateName,
		"NOTIFY_TO":                       "operator@example.com",
		"OUTBOX_DIR":                      r.outbox,
		"MAX_ATTEMPTS":                    "4",
		"PARALLEL":                        "1", // so that what comes of an event comes in one order
	}
	maps.Copy(settings, r.extra)
	return settings
}

// sent are the notifications in the outbox.
func (r *Harness) sent() ([]notify.Notification, error) {
	if _, err := os.Stat(r.outbox); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return notify.ReadOutbox(r.outbox)
}
