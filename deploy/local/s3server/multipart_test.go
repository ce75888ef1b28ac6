package s3server_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/s3server"
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
		t.Errorf("events %+v", events)
	}
	// A client that lost the response repeats the request.
	again, err := h.Complete(t, u)
	if err != nil || *again.ETag != want {
		t.Errorf("complete again: %v %v", again, err)
	}
	if n := len(h.Events(t)); n != 1 {
		t.Errorf("%d events after completing twice, want 1", n)
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

// An upload that started before a restart can be completed after it.
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
		t.Error("the object differs from the copied parts")
	}
}

func TestListUploadsEncodesKeys(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Begin(t, "a b+c\x01")
	for query, want := range map[string]string{
		"uploads&encoding-type=url": "<Key>a+b%2Bc%01</Key>", "uploads": "<Key>a b+c&#x1;</Key>", "uploads&encoding-type=xml": "InvalidArgument",
		"uploads&max-uploads=x": "InvalidArgument", "uploads&max-uploads=0": "<MaxUploads>1000</MaxUploads>",
	} {
		if _, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/uploads?" + query}); !strings.Contains(body, want) {
			t.Errorf("%s: got %s, want %s", query, body, want)
		}
	}
}

func TestListPartsInPages(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "k")
	for n := range int32(5) {
		h.Part(t, u, 2*n+1, "part")
	}
	var got []int32
	for p := s3.NewListPartsPaginator(h.Client, &s3.ListPartsInput{Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID, MaxParts: aws.Int32(2)}); p.HasMorePages() && len(got) < 100; {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range out.Parts {
			got = append(got, *part.PartNumber)
		}
	}
	if want := []int32{1, 3, 5, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("got parts %v, want %v", got, want)
	}
	for _, query := range []string{"max-parts=x", "max-parts=-1", "part-number-marker=x"} {
		if _, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/uploads/k?uploadId=" + u.ID + "&" + query}); !strings.Contains(body, "InvalidArgument") {
			t.Errorf("%s: got %s, want InvalidArgument", query, body)
		}
	}
	_, err := h.Client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String("missing"), Key: &u.Key, UploadId: aws.String("x")})
	s3test.WantCode(t, err, "NoSuchBucket")
}

func TestLocationOfCompletedUpload(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "in/a b+ü%.jpg")
	h.Part(t, u, 1, "x")
	out, err := h.Complete(t, u)
	if err != nil {
		t.Fatal(err)
	}
	if want := h.Signed.URL + "/uploads/in/a%20b+%C3%BC%25.jpg"; *out.Location != want {
		t.Errorf("got Location %s, want %s", *out.Location, want)
	}
}

// An XML body is refused by its length, before it is read or parsed.
func TestLargeXMLBodiesAreNotRead(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "k")
	for _, target := range []string{"/uploads?delete", "/uploads/k?uploadId=" + u.ID} {
		r := httptest.NewRequest("POST", target, iotest.ErrReader(errors.New("the body was read")))
		r.ContentLength = 8<<20 + 1
		w := httptest.NewRecorder()
		s3server.New(h.Objects, s3server.Options{}).ServeHTTP(w, r)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "<Code>EntityTooLarge</Code>") {
			t.Errorf("POST %s: got %d %s, want EntityTooLarge", target, w.Code, w.Body)
		}
	}
}
