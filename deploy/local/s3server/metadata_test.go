package s3server_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestMetadataIsKept(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "x", func(in *s3.PutObjectInput) {
		in.ContentType, in.CacheControl, in.ContentLanguage = aws.String("image/jpeg"), aws.String("max-age=60"), aws.String("de")
		in.ContentDisposition, in.ContentEncoding = aws.String(`attachment; filename="a.jpg"`), aws.String("gzip")
		in.Metadata = map[string]string{"Author": "Ada", "note": "two words"}
	})
	_, out := h.Get(t, "k")
	got := fmt.Sprintln(aws.ToString(out.ContentType), aws.ToString(out.CacheControl), aws.ToString(out.ContentLanguage),
		aws.ToString(out.ContentDisposition), aws.ToString(out.ContentEncoding), out.Metadata["author"], out.Metadata["note"])
	if want := fmt.Sprintln("image/jpeg", "max-age=60", "de", `attachment; filename="a.jpg"`, "gzip", "Ada", "two words"); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if len(out.Metadata) != 2 {
		t.Errorf("metadata %v", out.Metadata)
	}
	status, _, _ := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/k", Body: "x", Header: map[string]string{
		"Expires": "Wed, 21 Oct 2026 07:28:00 GMT", "X-Amz-Meta-Name": "é 日本", "X-Amz-Acl": "private",
	}})
	_, head, _ := h.Do(t, s3test.Request{Method: "HEAD", Target: "/uploads/k"})
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
	if status, _, _ := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/k", Header: map[string]string{"X-Amz-Meta-A": "\xff"}}); status != 400 {
		t.Errorf("a value that is not UTF-8: got %d", status)
	}
}

// Go's client capitalizes header names, so the test reads the bytes of the response.
func TestUserMetadataNamesAreLowerCase(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "x", func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"Uploaded-By": "Ada"} })
	for _, method := range []string{"GET", "HEAD"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.Unsigned.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "%s /uploads/k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method); err != nil {
			t.Fatal(err)
		}
		response, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(response), "\r\nx-amz-meta-uploaded-by: Ada\r\n") {
			t.Errorf("%s: got %s, want the header x-amz-meta-uploaded-by", method, response)
		}
	}
}
