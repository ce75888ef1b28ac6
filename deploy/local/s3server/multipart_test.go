package s3server_test

import (
	"io"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

func TestMultipart(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	one, two, three := string(s3test.Random(1, objectstore.MinPartBytes)), string(s3test.Random(2, objectstore.MinPartBytes+5)), "tail"
	u := h.Begin(t, "big", func(in *s3.CreateMultipartUploadInput) {
		in.ContentType, in.CacheControl, in.Metadata = aws.String("image/jpeg"), aws.String("no-store"), map[string]string{"a": "b"}
	})
	h.Part(t, u, 2, "to be replaced")
	h.Part(t, u, 7, three)
	h.Part(t, u, 1, one)
	h.Part(t, u, 2, two)
	h.Missing(t, "big")
	if n := h.Bodies(t); n != 3 {
		t.Errorf("%d bodies on the disk, want 3", n)
	}
	list, err := h.Client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID})
	if err != nil || len(list.Parts) != 3 || *list.Parts[1].Size != int64(len(two)) || *list.Parts[2].PartNumber != 7 || *list.IsTruncated {
		t.Errorf("parts: %+v %v", list, err)
	}
	out, err := h.Complete(t, u)
	if err != nil {
		t.Fatal(err)
	}
	want := s3test.MultipartETag(one, two, three)
	if *out.ETag != want {
		t.Errorf("ETag %s, want %s", *out.ETag, want)
	}
	body, meta := h.Get(t, "big")
	if body != one+two+three {
		t.Error("the object is not its parts in order")
	}
	if *meta.ETag != want || *meta.ContentType != "image/jpeg" || *meta.CacheControl != "no-store" || meta.Metadata["a"] != "b" {
		t.Errorf("get: %s %s %s %v", *meta.ETag, *meta.ContentType, *meta.CacheControl, meta.Metadata)
	}
	for i, body := range []string{one, two, three} {
		out, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &u.Key, PartNumber: aws.Int32(int32(i + 1))})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(out.Body); err != nil || string(got) != body || *out.PartsCount != 3 {
			t.Errorf("part %d: %d bytes, %v", i+1, len(got), err)
		}
	}
	_, err = h.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &u.Key, PartNumber: aws.Int32(4)})
	s3test.WantStatus(t, err, 416)
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk after completion, want 1", n)
	}
	events := h.Events(t)
	if last := events[len(events)-1]; len(events) != 1 || last.EventName != "ObjectCreated:CompleteMultipartUpload" || s3header.Quote(last.S3.Object.ETag) != want {
		t.Errorf("notices %+v", events)
	}
	// The answer was lost, the client asks again.
	again, err := h.Complete(t, u)
	if err != nil || *again.ETag != want {
		t.Errorf("complete again: %v %v", again, err)
	}
	if n := len(h.Events(t)); n != 1 {
		t.Errorf("%d notices after completing twice, want 1", n)
	}
	u.Parts = u.Parts[:1]
	_, err = h.Complete(t, u)
	s3test.WantCode(t, err, "NoSuchUpload")
	_, err = h.Client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID})
	s3test.WantCode(t, err, "NoSuchUpload")
	if ups, err := h.Client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)}); err != nil || len(ups.Uploads) != 0 {
		t.Errorf("uploads after completion: %v %v", ups.Uploads, err)
	}
}

// Parts survive a restart: an upload begun before it can be completed after it.
func TestMultipartSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := s3test.New(t, dir, objectstore.Options{}, store.Options{})
	one, two := string(s3test.Random(1, objectstore.MinPartBytes)), "tail"
	u := h.Begin(t, "big", func(in *s3.CreateMultipartUploadInput) { in.ContentType = aws.String("image/jpeg") })
	h.Part(t, u, 1, one)
	h.Close()
	h = s3test.New(t, dir, objectstore.Options{}, store.Options{})
	h.Part(t, u, 2, two)
	if _, err := h.Complete(t, u); err != nil {
		t.Fatal(err)
	}
	if got, out := h.Get(t, "big"); got != one+two || *out.ContentType != "image/jpeg" {
		t.Error("the object is not its parts")
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "k")
	h.Part(t, u, 1, "some")
	abort := func() error {
		_, err := h.Client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID})
		return err
	}
	s3test.WantCode(t, abort(), "")
	s3test.WantCode(t, abort(), "NoSuchUpload")
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
	_, err := h.Complete(t, u)
	s3test.WantCode(t, err, "NoSuchUpload")
}

func TestListUploads(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	for _, k := range []string{"a/1", "a/2", "b", "c", "c"} {
		h.Begin(t, k)
	}
	var got []string
	in := &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket), MaxUploads: aws.Int32(2)}
	for range 9 {
		out, err := h.Client.ListMultipartUploads(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range out.Uploads {
			got = append(got, *u.Key)
		}
		if !*out.IsTruncated {
			break
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
	if want := []string{"a/1", "a/2", "b", "c", "c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	out, err := h.Client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/")})
	if err != nil || len(out.CommonPrefixes) != 1 || *out.CommonPrefixes[0].Prefix != "a/" || len(out.Uploads) != 3 {
		t.Errorf("with a delimiter: %+v %v", out, err)
	}
}

func TestUploadPartCopy(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	src := string(s3test.Random(1, objectstore.MinPartBytes+100))
	h.Put(t, "a+b c", src)
	u := h.Begin(t, "copy")
	add := func(number int32, from, rng string) error {
		in := &s3.UploadPartCopyInput{
			Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID, PartNumber: &number, CopySource: aws.String(bucket + "/" + from),
		}
		if rng != "" {
			in.CopySourceRange = &rng
		}
		out, err := h.Client.UploadPartCopy(t.Context(), in)
		if err == nil {
			u.Parts = append(u.Parts, types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag})
		}
		return err
	}
	s3test.WantCode(t, add(1, "a%2Bb%20c", ""), "")
	s3test.WantCode(t, add(2, "a%2Bb+c", "bytes=100-199"), "")
	s3test.WantCode(t, add(3, "none", ""), "NoSuchKey")
	for _, rng := range []string{"bytes=0-99999999", "bytes=5-", "bytes=-5", "bytes=9-2", "bytes=0-1,2-3", "0-1", "junk"} {
		s3test.WantCode(t, add(3, "a%2Bb%20c", rng), "InvalidArgument")
	}
	if _, err := h.Complete(t, u); err != nil {
		t.Fatal(err)
	}
	if got, out := h.Get(t, "copy"); got != src+src[100:200] || *out.ETag != s3test.MultipartETag(src, src[100:200]) {
		t.Error("the object is not what was copied")
	}
}
