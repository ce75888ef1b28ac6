package s3server_test

import (
	"strings"
	"testing"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	for _, body := range []string{"", "hello", string(s3test.Random(1, 3<<20))} {
		out := h.Put(t, "k", body)
		if want := s3header.Quote(s3test.MD5(body)); aws.ToString(out.ETag) != want {
			t.Errorf("put %d bytes: got ETag %s, want %s", len(body), aws.ToString(out.ETag), want)
		}
		got, meta := h.Get(t, "k")
		if got != body {
			t.Errorf("got %d bytes, want %d, or they differ", len(got), len(body))
		}
		if aws.ToString(meta.ETag) != s3header.Quote(s3test.MD5(body)) || aws.ToInt64(meta.ContentLength) != int64(len(body)) {
			t.Errorf("get: ETag %s, length %d", aws.ToString(meta.ETag), aws.ToInt64(meta.ContentLength))
		}
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk after two overwrites, want 1", n)
	}
}

func TestOddKeys(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	keys := []string{
		"../x", "../../etc/passwd", "./x", ".", "..", "/leading", "//two", "a//b", "trailing/", "a b", "a+b", "a%20b", "a%2Fb", "100%", "q?x=1", "h#y",
		"é/日本/📷.jpg", "e\u0301", "tab\tnew\nline", "\x01control", "quote\"<&>'", "~tilde*!()", "semi;colon=&x",
		strings.Repeat("k", 1024), strings.Repeat("é", 512), strings.Repeat("/", 40), "objects", "sluice.db", "a\\b", "CON",
	}
	for _, k := range keys {
		h.Put(t, k, "body of "+k)
	}
	for _, k := range keys {
		if got, _ := h.Get(t, k); got != "body of "+k {
			t.Errorf("key %q: got %q", k, got)
		}
	}
	_, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(strings.Repeat("k", 1025)), Body: strings.NewReader("")})
	s3test.WantCode(t, err, "KeyTooLongError")
	if status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: "/" + bucket + "/%ff%fe"}); status != 400 || !strings.Contains(body, "InvalidURI") {
		t.Errorf("a key that is no UTF-8: got %d %s", status, body)
	}
	for _, name := range h.BodyNames(t) { // nothing of a key is in a name
		if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Errorf("body name %q", name)
		}
	}
	for i, n := range h.Events(t) {
		if want := objectstore.EscapeKey(keys[i]); n.S3.Object.Key != want {
			t.Errorf("event %d: key %q, want %q", i, n.S3.Object.Key, want)
		}
	}
}

// A client can upload a key without a form in XML in parts.
func TestResponsesForKeysWithoutXMLForm(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	key := "a\x01b"
	u := h.Begin(t, key)
	h.Part(t, u, 1, "x")
	if _, err := h.Client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String(bucket), Key: &key, UploadId: &u.ID}); err != nil {
		t.Error(err)
	}
	if _, err := h.Complete(t, u); err != nil {
		t.Error(err)
	}
	if got, _ := h.Get(t, key); got != "x" {
		t.Errorf("got %q", got)
	}
}
