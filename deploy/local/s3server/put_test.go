package s3server

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func md5hex(b string) string { s := md5.Sum([]byte(b)); return hex.EncodeToString(s[:]) }

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	for _, body := range []string{"", "hello", string(random(1, 3<<20))} {
		out := h.put(t, "k", body)
		if want := quote(md5hex(body)); aws.ToString(out.ETag) != want {
			t.Errorf("put %d bytes: got ETag %s, want %s", len(body), aws.ToString(out.ETag), want)
		}
		got, meta := h.get(t, "k")
		if got != body {
			t.Errorf("got %d bytes, want %d, or they differ", len(got), len(body))
		}
		if aws.ToString(meta.ETag) != quote(md5hex(body)) || aws.ToInt64(meta.ContentLength) != int64(len(body)) {
			t.Errorf("get: ETag %s, length %d", aws.ToString(meta.ETag), aws.ToInt64(meta.ContentLength))
		}
	}
	if n := h.files(t); n != 1 {
		t.Errorf("%d bodies on the disk after two overwrites, want 1", n)
	}
}

func TestOddKeys(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	keys := []string{
		"../x", "../../etc/passwd", "./x", ".", "..", "/leading", "//two", "a//b", "trailing/", "a b", "a+b", "a%20b", "a%2Fb", "100%", "q?x=1", "h#y",
		"é/日本/📷.jpg", "e\u0301", "tab\tnew\nline", "\x01control", "quote\"<&>'", "~tilde*!()", "semi;colon=&x",
		strings.Repeat("k", 1024), strings.Repeat("é", 512), strings.Repeat("/", 40), "objects", "sluice.db", "a\\b", "CON",
	}
	for _, k := range keys {
		h.put(t, k, "body of "+k)
	}
	for _, k := range keys {
		if got, _ := h.get(t, k); got != "body of "+k {
			t.Errorf("key %q: got %q", k, got)
		}
	}
	_, err := h.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(strings.Repeat("k", 1025)), Body: strings.NewReader("")})
	wantCode(t, err, "KeyTooLongError")
	if status, _, body := h.do(t, raw{method: "PUT", target: "/" + bucket + "/%ff%fe"}); status != 400 || !strings.Contains(body, "InvalidURI") {
		t.Errorf("a key that is no UTF-8: got %d %s", status, body)
	}
	for _, name := range bodyNames(t, h.dir) { // nothing of a key is in a name
		if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Errorf("body name %q", name)
		}
	}
	for i, n := range h.events(t) {
		if want := escapeKey(keys[i]); n.S3.Object.Key != want {
			t.Errorf("notice %d: key %q, want %q", i, n.S3.Object.Key, want)
		}
	}
}
