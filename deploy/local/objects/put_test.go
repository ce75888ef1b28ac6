package objects

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
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

func TestMetadataIsKept(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	h.put(t, "k", "x", func(in *s3.PutObjectInput) {
		in.ContentType, in.CacheControl, in.ContentLanguage = aws.String("image/jpeg"), aws.String("max-age=60"), aws.String("de")
		in.ContentDisposition, in.ContentEncoding = aws.String(`attachment; filename="a.jpg"`), aws.String("gzip")
		in.Metadata = map[string]string{"Author": "Ada", "note": "two words"}
	})
	_, out := h.get(t, "k")
	got := fmt.Sprintln(aws.ToString(out.ContentType), aws.ToString(out.CacheControl), aws.ToString(out.ContentLanguage),
		aws.ToString(out.ContentDisposition), aws.ToString(out.ContentEncoding), out.Metadata["author"], out.Metadata["note"])
	if want := fmt.Sprintln("image/jpeg", "max-age=60", "de", `attachment; filename="a.jpg"`, "gzip", "Ada", "two words"); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if len(out.Metadata) != 2 {
		t.Errorf("metadata %v", out.Metadata)
	}
	status, _, _ := h.do(t, raw{method: "PUT", target: "/uploads/k", body: "x", header: map[string]string{
		"Expires": "Wed, 21 Oct 2026 07:28:00 GMT", "X-Amz-Meta-Name": "é 日本", "X-Amz-Acl": "private",
	}})
	_, head, _ := h.do(t, raw{method: "HEAD", target: "/uploads/k"})
	if status != 200 || head.Get("Expires") != "Wed, 21 Oct 2026 07:28:00 GMT" || head.Get("X-Amz-Meta-Name") != "é 日本" {
		t.Errorf("got %d %v", status, head)
	}
	for _, name := range []string{"Cache-Control", "Content-Language", "X-Amz-Meta-Author", "X-Amz-Acl", "Content-Disposition"} {
		if v := head.Get(name); v != "" {
			t.Errorf("%s is %q: it is not this upload's", name, v)
		}
	}
	if head.Get("Content-Type") != "binary/octet-stream" {
		t.Errorf("Content-Type %q was guessed", head.Get("Content-Type"))
	}
	if status, _, _ := h.do(t, raw{method: "PUT", target: "/uploads/k", header: map[string]string{"X-Amz-Meta-A": "\xff"}}); status != 400 {
		t.Errorf("a value that is not UTF-8: got %d", status)
	}
}
