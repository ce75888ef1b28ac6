package s3server_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

func TestReadConditions(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 4, 12, 0, 0, 5e8, time.UTC) // half a second past: HTTP's dates have none
	h := s3test.New(t, t.TempDir(), objectstore.Options{Now: func() time.Time { return noon }}, store.Options{NoSync: true})
	h.Put(t, "k", "hello")
	etag, other := s3header.Quote(s3test.MD5("hello")), s3header.Quote(s3test.MD5("other"))
	at, before, after := s3header.Time(noon), s3header.Time(noon.Add(-time.Hour)), s3header.Time(noon.Add(time.Hour))
	for _, tc := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{"If-None-Match": etag}, 304},
		{map[string]string{"If-None-Match": "W/" + etag}, 304},
		{map[string]string{"If-None-Match": other + ", " + etag}, 304},
		{map[string]string{"If-None-Match": "*"}, 304},
		{map[string]string{"If-None-Match": other}, 200},
		{map[string]string{"If-Match": etag}, 200},
		{map[string]string{"If-Match": s3test.MD5("hello")}, 200},
		{map[string]string{"If-Match": other}, 412},
		{map[string]string{"If-Modified-Since": at}, 304},
		{map[string]string{"If-Modified-Since": after}, 304},
		{map[string]string{"If-Modified-Since": before}, 200},
		{map[string]string{"If-Modified-Since": "yesterday"}, 200},
		{map[string]string{"If-Unmodified-Since": at}, 200},
		{map[string]string{"If-Unmodified-Since": before}, 412},
		{map[string]string{"If-Match": etag, "If-Unmodified-Since": before}, 200},
		{map[string]string{"If-None-Match": other, "If-Modified-Since": after}, 200},
		{map[string]string{"Range": "bytes=0-1", "If-Range": etag}, 206},
		{map[string]string{"Range": "bytes=0-1", "If-Range": other}, 200},
		{map[string]string{"Range": "bytes=0-1", "If-Range": at}, 206},
		{map[string]string{"Range": "bytes=0-1", "If-Range": before}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			status, head, _ := h.Do(t, s3test.Request{Method: method, Target: "/" + bucket + "/k", Header: tc.header})
			if status != tc.status || status == 304 && head.Get("ETag") != etag {
				t.Errorf("%s %v: got %d, ETag %s; want %d", method, tc.header, status, head.Get("ETag"), tc.status)
			}
		}
	}
}

// A reader gets the object that it started to read, even if the object is replaced
// and deleted meanwhile.
func TestReadersKeepAReplacedObject(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	old := string(s3test.Random(1, 8<<20)) // more than the sockets buffer
	h.Put(t, "k", old)
	out, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	first := make([]byte, 1000)
	if _, err := io.ReadFull(out.Body, first); err != nil {
		t.Fatal(err)
	}
	h.Put(t, "k", "new")
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1: the old one has no name any more", n)
	}
	if _, err := h.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if string(first)+string(rest) != old {
		t.Error("the reader got other bytes than those of the object it started to read")
	}
}

// A slow upload does not block readers, not even those of its own key.
func TestSlowPutBlocksNoReader(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "old")
	pr, pw := io.Pipe()
	done := make(chan int)
	go func() {
		r, _ := http.NewRequest("PUT", h.Unsigned.URL+"/"+bucket+"/k", pr)
		r.ContentLength = 6
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		resp.Body.Close()
		done <- resp.StatusCode
	}()
	if _, err := pw.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.Get(t, "k"); got != "old" {
		t.Errorf("during the upload: got %q, want old", got)
	}
	h.Put(t, "other", "x")
	if _, err := pw.Write([]byte("est")); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != 200 {
		t.Errorf("the upload: got %d", got)
	}
	if got, _ := h.Get(t, "k"); got != "newest" {
		t.Errorf("after the upload: got %q", got)
	}
}

// An upload whose client disconnects changes nothing and leaves no file.
func TestInterruptedPutChangesNothing(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "old")
	before := len(h.Events(t))
	pr, pw := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "PUT", h.Unsigned.URL+"/"+bucket+"/k", pr)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 1 << 20
	go func() {
		_, _ = pw.Write(s3test.Random(1, 1<<19))
		_ = pw.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("got %d for half a body", resp.StatusCode)
	}
	h.Unsigned.Close() // waits for the handler
	if got, _ := h.Get(t, "k"); got != "old" {
		t.Errorf("got %q, want old", got)
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
	if n := len(h.Events(t)); n != before {
		t.Errorf("%d events more", n-before)
	}
}

// A body that another program truncated is an error, not a short object.
func TestDamagedBodyIsNotServed(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "hello")
	path := filepath.Join(h.Dir, "objects", h.BodyNames(t)[0])
	if err := os.Truncate(path, 2); err != nil {
		t.Fatal(err)
	}
	if status, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/" + bucket + "/k"}); status != 500 || strings.Contains(body, h.Dir) {
		t.Errorf("cut: got %d %s", status, body)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := h.Do(t, s3test.Request{Method: "GET", Target: "/" + bucket + "/k"}); status != 500 {
		t.Errorf("missing: got %d", status)
	}
}

// A read error after the start of the response aborts the connection: the XML of an
// error must not become part of the object.
func TestReadErrorAbortsTheConnection(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", string(s3test.Random(1, 16<<20)))
	out, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if err := os.Truncate(filepath.Join(h.Dir, "objects", h.BodyNames(t)[0]), 1<<20); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(out.Body)
	if err == nil {
		t.Errorf("read %d bytes of a broken body without an error", len(b))
	}
	if strings.Contains(string(b), "<Error>") {
		t.Error("the body contains the XML of an error")
	}
}

func TestPresignedResponseHeaders(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "hello")
	pre := s3.NewPresignClient(h.Client)
	u, err := pre.PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("k"),
		ResponseContentType: aws.String("image/png"), ResponseContentDisposition: aws.String("attachment"), ResponseCacheControl: aws.String("no-cache"),
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(u.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if g := resp.Header; resp.StatusCode != 200 || g.Get("Content-Type") != "image/png" || g.Get("Content-Disposition") != "attachment" || g.Get("Cache-Control") != "no-cache" {
		t.Errorf("got %d %v", resp.StatusCode, g)
	}
}
