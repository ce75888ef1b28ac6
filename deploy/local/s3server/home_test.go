package s3server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/sigv4"
	"sluice/deploy/local/store"
)

const (
	accessKey = "LOCALACCESSKEY"
	secretKey = "local/secret+key"
	bucket    = "uploads"
)

// home is a service with a lock on its door, and an open door beside it.
type home struct {
	*Service
	dir    string
	db     *store.DB
	client *s3.Client
	locked *httptest.Server // wants signatures
	open   *httptest.Server // wants none
}

// newHome starts a home in dir with one bucket. The store leaves its syncs out, unless so says otherwise.
func newHome(t *testing.T, dir string, o Options, so store.Options) *home {
	t.Helper()
	db, err := store.Open(dir, so)
	if err != nil {
		t.Fatal(err)
	}
	h := &home{dir: dir, db: db}
	if o.Notice == nil {
		o.Notice = keepNotice
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if h.Service, err = New(db, o); err != nil {
		t.Fatal(err)
	}
	if err := h.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	h.locked = httptest.NewServer(sigv4.Require(sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, sigv4.Options{}, h.Service))
	h.open = httptest.NewServer(h.Service)
	h.client = newClient(h.locked.URL)
	t.Cleanup(h.close)
	return h
}

func (h *home) close() {
	h.locked.Close()
	h.open.Close()
	_ = h.db.Close() // may have been closed by the test
}

func freshHome(t *testing.T) *home {
	return newHome(t, t.TempDir(), Options{}, store.Options{NoSync: true})
}

func newClient(url string) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

// keepNotice writes notices into a table of their own, in order.
func keepNotice(tx *bbolt.Tx, bucket string, event []byte) error {
	b, err := tx.CreateBucketIfNotExists([]byte("notices"))
	if err != nil {
		return err
	}
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	return b.Put(partKey(bucket, int(n)), event)
}

// events reads the notices that were kept.
func (h *home) events(t *testing.T) []noticeRecord {
	t.Helper()
	return readEvents(t, h.db)
}

func readEvents(t *testing.T, db *store.DB) []noticeRecord {
	t.Helper()
	var all []noticeRecord
	err := db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("notices"))
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, v []byte) error {
			var n noticeBody
			if err := json.Unmarshal(v, &n); err != nil {
				return err
			}
			all = append(all, n.Records...)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (h *home) put(t *testing.T, key, body string, mods ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(body)}
	for _, m := range mods {
		m(in)
	}
	out, err := h.client.PutObject(t.Context(), in)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

func (h *home) get(t *testing.T, key string) (string, *s3.GetObjectOutput) {
	t.Helper()
	out, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
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

// missing fails the test if the key is there.
func (h *home) missing(t *testing.T, key string) {
	t.Helper()
	_, err := h.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key})
	wantStatus(t, err, 404)
}

// files counts the bodies on the disk.
func (h *home) files(t *testing.T) int {
	t.Helper()
	return len(bodyNames(t, h.dir))
}

// code is the S3 code of an SDK error, "" for none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
}

func wantStatus(t *testing.T, err error, want int) {
	t.Helper()
	var resp interface{ HTTPStatusCode() int }
	if !errors.As(err, &resp) || resp.HTTPStatusCode() != want {
		t.Errorf("got %v, want status %d", err, want)
	}
}

// raw sends a request as it is to the open door.
type raw struct {
	method, target, body string
	header               map[string]string
}

func (h *home) do(t *testing.T, q raw) (int, http.Header, string) {
	t.Helper()
	return do(t, h.open.URL, q)
}

func do(t *testing.T, base string, q raw) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, base, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(q.target, "?")
	r.URL.RawPath = path // sent as written
	if r.URL.Path, err = url.PathUnescape(path); err != nil {
		t.Fatal(err)
	}
	r.URL.RawQuery = query
	for k, v := range q.header {
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

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7})
	_, _ = r.Read(b) // never fails
	return b
}

func itoa(n int) string { return strconv.Itoa(n) }

func hmacSum(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func hmacHex(key []byte, s string) string { return hex.EncodeToString(hmacSum(key, s)) }

// countParts counts the parts of uploads under way.
func (h *home) countParts(t *testing.T) (n int) {
	t.Helper()
	err := h.db.View(func(tx *bbolt.Tx) error {
		return tables(tx).root.Bucket(tableParts).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// dropNotices forgets the notices that were kept.
func (h *home) dropNotices(t *testing.T) {
	t.Helper()
	if err := h.db.UpdateEvenIfFull(t.Context(), func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("notices")) }); err != nil {
		t.Fatal(err)
	}
}
