package s3server

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/store"
)

type testUpload struct {
	key, id string
	parts   []types.CompletedPart
}

func (h *home) begin(t *testing.T, key string, mods ...func(*s3.CreateMultipartUploadInput)) *testUpload {
	t.Helper()
	in := &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key}
	for _, m := range mods {
		m(in)
	}
	out, err := h.client.CreateMultipartUpload(t.Context(), in)
	if err != nil {
		t.Fatalf("begin %q: %v", key, err)
	}
	return &testUpload{key: key, id: *out.UploadId}
}

func (h *home) part(t *testing.T, u *testUpload, number int32, body string) {
	t.Helper()
	out, err := h.client.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id, PartNumber: &number, Body: strings.NewReader(body),
	})
	if err != nil {
		t.Fatalf("part %d of %q: %v", number, u.key, err)
	}
	u.parts = slices.DeleteFunc(u.parts, func(p types.CompletedPart) bool { return *p.PartNumber == number })
	u.parts = append(u.parts, types.CompletedPart{
		PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
	})
	slices.SortFunc(u.parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
}

func (h *home) complete(t *testing.T, u *testUpload, mods ...func(*s3.CompleteMultipartUploadInput)) (*s3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	in := &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	for _, m := range mods {
		m(in)
	}
	return h.client.CompleteMultipartUpload(t.Context(), in)
}

// etagOf is S3's: the MD5 of the parts' MD5s, and their number.
func etagOf(parts ...string) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum([]byte(p))
		h.Write(sum[:])
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%s-%d", hex.EncodeToString(h.Sum(nil)), len(parts)))
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	one, two, three := string(random(1, minPartBytes)), string(random(2, minPartBytes+5)), "tail"
	u := h.begin(t, "big", func(in *s3.CreateMultipartUploadInput) {
		in.ContentType, in.CacheControl, in.Metadata = aws.String("image/jpeg"), aws.String("no-store"), map[string]string{"a": "b"}
	})
	h.part(t, u, 2, "to be replaced")
	h.part(t, u, 7, three)
	h.part(t, u, 1, one)
	h.part(t, u, 2, two)
	h.missing(t, "big")
	if n := h.files(t); n != 3 {
		t.Errorf("%d bodies on the disk, want 3", n)
	}
	list, err := h.client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id})
	if err != nil || len(list.Parts) != 3 || *list.Parts[1].Size != int64(len(two)) || *list.Parts[2].PartNumber != 7 || *list.IsTruncated {
		t.Errorf("parts: %+v %v", list, err)
	}
	out, err := h.complete(t, u)
	if err != nil {
		t.Fatal(err)
	}
	want := etagOf(one, two, three)
	if *out.ETag != want {
		t.Errorf("ETag %s, want %s", *out.ETag, want)
	}
	body, meta := h.get(t, "big")
	if body != one+two+three {
		t.Error("the object is not its parts in order")
	}
	if *meta.ETag != want || *meta.ContentType != "image/jpeg" || *meta.CacheControl != "no-store" || meta.Metadata["a"] != "b" {
		t.Errorf("get: %s %s %s %v", *meta.ETag, *meta.ContentType, *meta.CacheControl, meta.Metadata)
	}
	for i, body := range []string{one, two, three} {
		out, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &u.key, PartNumber: aws.Int32(int32(i + 1))})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(out.Body); err != nil || string(got) != body || *out.PartsCount != 3 {
			t.Errorf("part %d: %d bytes, %v", i+1, len(got), err)
		}
	}
	_, err = h.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &u.key, PartNumber: aws.Int32(4)})
	wantStatus(t, err, 416)
	if n := h.files(t); n != 1 {
		t.Errorf("%d bodies on the disk after completion, want 1", n)
	}
	events := h.events(t)
	if last := events[len(events)-1]; len(events) != 1 || last.EventName != "ObjectCreated:CompleteMultipartUpload" || quote(last.S3.Object.ETag) != want {
		t.Errorf("notices %+v", events)
	}
	// The answer was lost, the client asks again.
	again, err := h.complete(t, u)
	if err != nil || *again.ETag != want {
		t.Errorf("complete again: %v %v", again, err)
	}
	if n := len(h.events(t)); n != 1 {
		t.Errorf("%d notices after completing twice, want 1", n)
	}
	u.parts = u.parts[:1]
	_, err = h.complete(t, u)
	wantCode(t, err, "NoSuchUpload")
	_, err = h.client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id})
	wantCode(t, err, "NoSuchUpload")
	if ups, err := h.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)}); err != nil || len(ups.Uploads) != 0 {
		t.Errorf("uploads after completion: %v %v", ups.Uploads, err)
	}
}

// Parts survive a restart: an upload begun before it can be completed after it.
func TestMultipartSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHome(t, dir, Options{}, store.Options{})
	one, two := string(random(1, minPartBytes)), "tail"
	u := h.begin(t, "big", func(in *s3.CreateMultipartUploadInput) { in.ContentType = aws.String("image/jpeg") })
	h.part(t, u, 1, one)
	h.close()
	h = newHome(t, dir, Options{}, store.Options{})
	h.part(t, u, 2, two)
	if _, err := h.complete(t, u); err != nil {
		t.Fatal(err)
	}
	if got, out := h.get(t, "big"); got != one+two || *out.ContentType != "image/jpeg" {
		t.Error("the object is not its parts")
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	u := h.begin(t, "k")
	h.part(t, u, 1, "some")
	abort := func() error {
		_, err := h.client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id})
		return err
	}
	wantCode(t, abort(), "")
	wantCode(t, abort(), "NoSuchUpload")
	if n := h.files(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
	_, err := h.complete(t, u)
	wantCode(t, err, "NoSuchUpload")
}

func TestListUploads(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	for _, k := range []string{"a/1", "a/2", "b", "c", "c"} {
		h.begin(t, k)
	}
	var got []string
	in := &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket), MaxUploads: aws.Int32(2)}
	for range 9 {
		out, err := h.client.ListMultipartUploads(t.Context(), in)
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
	out, err := h.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/")})
	if err != nil || len(out.CommonPrefixes) != 1 || *out.CommonPrefixes[0].Prefix != "a/" || len(out.Uploads) != 3 {
		t.Errorf("with a delimiter: %+v %v", out, err)
	}
}

func TestUploadPartCopy(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	src := string(random(1, minPartBytes+100))
	h.put(t, "a+b c", src)
	u := h.begin(t, "copy")
	add := func(number int32, from, rng string) error {
		in := &s3.UploadPartCopyInput{
			Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id, PartNumber: &number, CopySource: aws.String(bucket + "/" + from),
		}
		if rng != "" {
			in.CopySourceRange = &rng
		}
		out, err := h.client.UploadPartCopy(t.Context(), in)
		if err == nil {
			u.parts = append(u.parts, types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag})
		}
		return err
	}
	wantCode(t, add(1, "a%2Bb%20c", ""), "")
	wantCode(t, add(2, "a%2Bb+c", "bytes=100-199"), "")
	wantCode(t, add(3, "none", ""), "NoSuchKey")
	for _, rng := range []string{"bytes=0-99999999", "bytes=5-", "bytes=-5", "bytes=9-2", "bytes=0-1,2-3", "0-1", "junk"} {
		wantCode(t, add(3, "a%2Bb%20c", rng), "InvalidArgument")
	}
	if _, err := h.complete(t, u); err != nil {
		t.Fatal(err)
	}
	if got, out := h.get(t, "copy"); got != src+src[100:200] || *out.ETag != etagOf(src, src[100:200]) {
		t.Error("the object is not what was copied")
	}
}

func TestStaleUploadsAreGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	o := Options{Now: func() time.Time { return now }, StaleUpload: 24 * time.Hour}
	h := newHome(t, dir, o, store.Options{NoSync: true})
	old := h.begin(t, "old")
	h.part(t, old, 1, "some")
	now = now.Add(20 * time.Hour)
	young := h.begin(t, "young")
	h.part(t, young, 1, "more")
	now = now.Add(5 * time.Hour)
	h.begin(t, "next") // sweeps, as an hour is over
	_, err := h.complete(t, old)
	wantCode(t, err, "NoSuchUpload")
	if n := h.files(t); n != 1 {
		t.Errorf("%d bodies, want 1", n)
	}
	now = now.Add(20 * time.Hour)
	h.close()
	h = newHome(t, dir, o, store.Options{NoSync: true})
	if n := h.files(t); n != 0 {
		t.Errorf("%d bodies after a start, want none", n)
	}
}
