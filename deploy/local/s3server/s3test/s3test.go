// Package s3test runs an S3 server over a store in a folder, for tests.
package s3test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server"
	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/sigv4"
	"sluice/deploy/local/store"
)

const (
	AccessKey = "LOCALACCESSKEY"
	SecretKey = "local/secret+key"
	Bucket    = "uploads" // exists in each new Server
)

// Server is an S3 server with two doors: one requires signatures, one does not.
type Server struct {
	Objects  *objectstore.Store
	Dir      string
	DB       *store.DB
	Client   *s3.Client // signs
	Signed   *httptest.Server
	Unsigned *httptest.Server
}

// Fresh returns a server in a new folder whose local file is not synced.
func Fresh(t *testing.T) *Server {
	t.Helper()
	return New(t, t.TempDir(), objectstore.Options{}, store.Options{NoSync: true})
}

// New returns a server over dir, with [Bucket]. Unless o has its own, events are
// recorded for Events. The end of the test closes it.
func New(t *testing.T, dir string, o objectstore.Options, so store.Options) *Server {
	t.Helper()
	db, err := store.Open(dir, so)
	if err != nil {
		t.Fatal(err)
	}
	if o.OnEvent == nil {
		o.OnEvent = RecordEvent
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	objects, err := objectstore.Open(db, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.EnsureBucket(t.Context(), Bucket); err != nil {
		t.Fatal(err)
	}
	handler := s3server.New(objects, s3server.Options{Logger: o.Logger})
	s := &Server{
		Objects: objects, Dir: dir, DB: db,
		Signed: httptest.NewServer(Authenticate(handler)), Unsigned: httptest.NewServer(handler),
	}
	s.Client = NewClient(s.Signed.URL)
	t.Cleanup(s.Close)
	return s
}

// Authenticate requires signatures with [AccessKey] and [SecretKey].
func Authenticate(next http.Handler) http.Handler {
	return sigv4.Require(sigv4.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, sigv4.Options{}, next)
}

// Close closes the server. It may be called again.
func (s *Server) Close() {
	s.Signed.Close()
	s.Unsigned.Close()
	_ = s.DB.Close() // may be closed already
}

// NewClient returns a client that does not retry.
func NewClient(url string) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
	})
}

var eventsBucket = []byte("events")

// RecordEvent is an [objectstore.Options] OnEvent that appends the event to the
// local file.
func RecordEvent(tx *bbolt.Tx, bucket string, event []byte) error {
	b, err := tx.CreateBucketIfNotExists(eventsBucket)
	if err != nil {
		return err
	}
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	return b.Put(binary.BigEndian.AppendUint32([]byte(bucket), uint32(n)), event)
}

// Event is a record of an S3 event.
type Event struct {
	EventName        string
	ResponseElements map[string]string
	S3               struct {
		Object struct {
			Key       string
			Size      *int64
			ETag      string
			Sequencer string
		}
	}
}

// ParseEvent parses the records of an S3 event.
func ParseEvent(t *testing.T, event []byte) []Event {
	t.Helper()
	var e struct{ Records []Event }
	if err := json.Unmarshal(event, &e); err != nil {
		t.Fatal(err)
	}
	return e.Records
}

// Events returns the recorded events in order.
func (s *Server) Events(t *testing.T) (all []Event) {
	t.Helper()
	err := s.DB.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(eventsBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, v []byte) error {
			all = append(all, ParseEvent(t, v)...)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// DropEvents deletes the recorded events.
func (s *Server) DropEvents(t *testing.T) {
	t.Helper()
	if err := s.DB.UpdateEvenIfFull(t.Context(), func(tx *bbolt.Tx) error { return tx.DeleteBucket(eventsBucket) }); err != nil {
		t.Fatal(err)
	}
}

// Put stores an object in [Bucket].
func (s *Server) Put(t *testing.T, key, body string, mods ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String(Bucket), Key: &key, Body: strings.NewReader(body)}
	for _, m := range mods {
		m(in)
	}
	out, err := s.Client.PutObject(t.Context(), in)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

// Get reads an object of [Bucket].
func (s *Server) Get(t *testing.T, key string) (string, *s3.GetObjectOutput) {
	t.Helper()
	out, err := s.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(Bucket), Key: &key})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return string(b), out
}

// Missing fails the test if [Bucket] has the key.
func (s *Server) Missing(t *testing.T, key string) {
	t.Helper()
	_, err := s.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(Bucket), Key: &key})
	WantStatus(t, err, 404)
}

// BodyNames returns the names of the bodies on the disk.
func (s *Server) BodyNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Bodies returns the number of bodies on the disk.
func (s *Server) Bodies(t *testing.T) int {
	t.Helper()
	return len(s.BodyNames(t))
}

// Code returns the S3 code of an SDK error, "" for nil.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// WantCode fails the test if err has another code.
func WantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := Code(err); got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
}

// WantStatus fails the test if err has another HTTP status.
func WantStatus(t *testing.T, err error, want int) {
	t.Helper()
	var resp interface{ HTTPStatusCode() int }
	if !errors.As(err, &resp) || resp.HTTPStatusCode() != want {
		t.Errorf("got %v, want status %d", err, want)
	}
}

// Request is an unsigned request that is sent as it is written.
type Request struct {
	Method, Target, Body string
	Header               map[string]string
}

// Do sends q and returns status, header and body of the response.
func (s *Server) Do(t *testing.T, q Request) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.Method, s.Unsigned.URL, strings.NewReader(q.Body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(q.Target, "?")
	r.URL.RawPath = path // sent as written
	if r.URL.Path, err = url.PathUnescape(path); err != nil {
		t.Fatal(err)
	}
	r.URL.RawQuery = query
	for k, v := range q.Header {
		if k == "Host" {
			r.Host = v
			continue
		}
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// Random returns n bytes that depend on the seed only.
func Random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7})
	_, _ = r.Read(b) // never fails
	return b
}

// MD5 returns the MD5 of body in hex, which is its ETag.
func MD5(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// Sum returns an additional checksum of body in base64.
func Sum(t *testing.T, algorithm, body string) string {
	t.Helper()
	h, err := checksum.New(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
