package s3server_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"
)

func TestCopy(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	ctx := t.Context()
	if err := h.Objects.EnsureBucket(ctx, "thumbnails"); err != nil {
		t.Fatal(err)
	}
	src := "odd+key %41/é?x=1"
	h.Put(t, src, "hello", func(in *s3.PutObjectInput) {
		in.ContentType, in.CacheControl, in.Metadata = aws.String("image/jpeg"), aws.String("max-age=1"), map[string]string{"a": "1", "b": "2"}
	})
	cp := func(from, to string, mods ...func(*s3.CopyObjectInput)) (*s3.CopyObjectOutput, error) {
		in := &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: &to, CopySource: &from}
		for _, m := range mods {
			m(in)
		}
		return h.Client.CopyObject(ctx, in)
	}
	for _, from := range []string{
		bucket + "/" + url.QueryEscape(src), "/" + bucket + "/" + url.QueryEscape(src),
		url.QueryEscape(bucket + "/" + src), bucket + "/" + url.QueryEscape(src) + "?versionId=null",
	} {
		out, err := cp(from, "to")
		if err != nil {
			t.Fatalf("copy of %s: %v", from, err)
		}
		body, meta := h.Get(t, "to")
		if body != "hello" || *out.CopyObjectResult.ETag != s3header.Quote(s3test.MD5("hello")) || *meta.ContentType != "image/jpeg" || *meta.CacheControl != "max-age=1" || meta.Metadata["b"] != "2" {
			t.Errorf("copy of %s: %q %s %v", from, body, *meta.ContentType, meta.Metadata)
		}
		if out.CopyObjectResult.LastModified.IsZero() {
			t.Error("no time")
		}
	}
	events := h.Events(t)
	if last := events[len(events)-1]; last.EventName != "ObjectCreated:Copy" || *last.S3.Object.Size != 5 {
		t.Errorf("event %+v", last)
	}
	_, err := cp(bucket+"/to", "replaced", func(in *s3.CopyObjectInput) {
		in.MetadataDirective, in.ContentType, in.Metadata = types.MetadataDirectiveReplace, aws.String("image/png"), map[string]string{"c": "3"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, meta := h.Get(t, "replaced"); *meta.ContentType != "image/png" || meta.CacheControl != nil || len(meta.Metadata) != 1 || meta.Metadata["c"] != "3" {
		t.Errorf("replaced: %s %v", *meta.ContentType, meta.Metadata)
	}
	// A copy onto itself must replace the metadata.
	_, err = cp(bucket+"/to", "to")
	s3test.WantCode(t, err, "InvalidRequest")
	_, err = cp(bucket+"/to", "to", func(in *s3.CopyObjectInput) {
		in.MetadataDirective, in.Metadata = types.MetadataDirectiveReplace, map[string]string{"self": "yes"}
	})
	s3test.WantCode(t, err, "")
	if body, meta := h.Get(t, "to"); body != "hello" || meta.Metadata["self"] != "yes" {
		t.Errorf("onto itself: %q %v", body, meta.Metadata)
	}
	// A copy does not depend on its source.
	if _, err := h.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("to")}); err != nil {
		t.Fatal(err)
	}
	h.Put(t, src, "changed")
	if body, _ := h.Get(t, "replaced"); body != "hello" {
		t.Errorf("a copy became %q", body)
	}
	for from, want := range map[string]string{
		bucket + "/none": "NoSuchKey", "missing/k": "NoSuchBucket", "nothing": "InvalidArgument", bucket + "/%zz": "InvalidArgument",
		bucket + "/replaced?versionId=abc": "NoSuchVersion", "/": "InvalidArgument",
	} {
		if _, err := cp(from, "x"); s3test.Code(err) != want {
			t.Errorf("copy of %s: got %q, want %s", from, s3test.Code(err), want)
		}
	}
	_, err = cp(bucket+"/replaced", "x", func(in *s3.CopyObjectInput) { in.Bucket = aws.String("missing") })
	s3test.WantCode(t, err, "NoSuchBucket")
	_, err = cp(bucket+"/replaced", "x", func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = aws.String(s3header.Quote(s3test.MD5("x"))) })
	s3test.WantCode(t, err, "PreconditionFailed")
	_, err = cp(bucket+"/replaced", "x", func(in *s3.CopyObjectInput) {
		in.CopySourceIfNoneMatch = aws.String(s3header.Quote(s3test.MD5("hello")))
	})
	s3test.WantCode(t, err, "PreconditionFailed")
	_, err = cp(bucket+"/replaced", "x", func(in *s3.CopyObjectInput) { in.CopySourceIfModifiedSince = aws.Time(time.Now().Add(-time.Hour)) })
	s3test.WantCode(t, err, "")
	_, err = cp(bucket+"/replaced", "x", func(in *s3.CopyObjectInput) { in.IfNoneMatch = aws.String("*") })
	s3test.WantCode(t, err, "PreconditionFailed")
	if n := h.Bodies(t); n != 3 {
		t.Errorf("%d bodies, want those of 3 objects", n)
	}
}

// The ETag of a copy of a multipart upload is the MD5 of its content, as in S3.
func TestCopyOfMultipart(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "parts")
	one := string(s3test.Random(1, objectstore.MinPartBytes))
	h.Part(t, u, 1, one)
	h.Part(t, u, 2, "tail")
	if _, err := h.Complete(t, u); err != nil {
		t.Fatal(err)
	}
	out, err := h.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/parts")})
	if err != nil {
		t.Fatal(err)
	}
	if want := s3header.Quote(s3test.MD5(one + "tail")); *out.CopyObjectResult.ETag != want {
		t.Errorf("ETag %s, want %s", *out.CopyObjectResult.ETag, want)
	}
	if body, _ := h.Get(t, "copy"); body != one+"tail" {
		t.Error("the copy differs")
	}
}

func TestCopyRaces(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	bodies := []string{strings.Repeat("a", 5000), strings.Repeat("b", 7000)}
	h.Put(t, "k", bodies[0])
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 60 {
			h.Put(t, "k", bodies[i%2])
		}
	}()
	for n := 0; ; n++ {
		if _, err := h.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/k")}); err != nil {
			t.Error(err)
		}
		if got, _ := h.Get(t, "copy"); got != bodies[0] && got != bodies[1] {
			t.Errorf("copy %d mixes two versions: %d bytes", n, len(got))
		}
		if got, _ := h.Get(t, "k"); got != bodies[0] && got != bodies[1] {
			t.Errorf("read %d mixes two versions: %d bytes", n, len(got))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
