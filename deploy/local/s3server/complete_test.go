package s3server_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestMultipartRefusals(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "k")
	h.Part(t, u, 1, "small")
	h.Part(t, u, 2, "small too")
	good := slices.Clone(u.Parts)
	bad := good[0]
	bad.ETag = aws.String(s3header.Quote(s3test.MD5("x")))
	nine := good[0]
	nine.PartNumber = aws.Int32(9)
	for name, tc := range map[string]struct {
		parts []types.CompletedPart
		code  string
	}{
		"a small part that is not the last": {good, "EntityTooSmall"},
		"out of order":                      {[]types.CompletedPart{good[1], good[0]}, "InvalidPartOrder"},
		"one twice":                         {[]types.CompletedPart{good[0], good[0]}, "InvalidPartOrder"},
		"another ETag":                      {[]types.CompletedPart{bad}, "InvalidPart"},
		"not uploaded":                      {[]types.CompletedPart{nine}, "InvalidPart"},
		"none":                              {[]types.CompletedPart{}, "MalformedXML"},
	} {
		u.Parts = tc.parts
		if _, err := h.Complete(t, u); s3test.Code(err) != tc.code {
			t.Errorf("%s: got %q, want %s", name, s3test.Code(err), tc.code)
		}
	}
	h.Missing(t, "k")
	for name, q := range map[string]s3test.Request{
		"part 0":       {Method: "PUT", Target: "/uploads/k?uploadId=" + u.ID + "&partNumber=0", Body: "x"},
		"part 10001":   {Method: "PUT", Target: "/uploads/k?uploadId=" + u.ID + "&partNumber=10001", Body: "x"},
		"no number":    {Method: "PUT", Target: "/uploads/k?uploadId=" + u.ID, Body: "x"},
		"another key":  {Method: "PUT", Target: "/uploads/j?uploadId=" + u.ID + "&partNumber=1", Body: "x"},
		"another id":   {Method: "PUT", Target: "/uploads/k?uploadId=nope&partNumber=1", Body: "x"},
		"huge listing": {Method: "POST", Target: "/uploads/k?uploadId=" + u.ID, Body: strings.Repeat(" ", 8<<20+1)},
	} {
		if status, _, body := h.Do(t, q); status < 400 || status >= 500 {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	if n := h.Bodies(t); n != 2 {
		t.Errorf("%d bodies on the disk, want the two parts'", n)
	}
	u.Parts = good[1:]
	if _, err := h.Complete(t, u, func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(3) }); s3test.Code(err) != "InvalidRequest" {
		t.Errorf("another size: %v", err)
	}
	h.Put(t, "k", "first")
	if _, err := h.Complete(t, u, func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }); s3test.Code(err) != "PreconditionFailed" {
		t.Errorf("If-None-Match: %v", err)
	}
	if _, err := h.Complete(t, u); err != nil {
		t.Errorf("complete after refusals: %v", err)
	}
	if got, _ := h.Get(t, "k"); got != "small too" {
		t.Errorf("got %q", got)
	}
}

func TestEmptyPart(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	u := h.Begin(t, "empty")
	h.Part(t, u, 1, "")
	if _, err := h.Complete(t, u); err != nil {
		t.Fatal(err)
	}
	if got, out := h.Get(t, "empty"); got != "" || *out.ETag != s3test.MultipartETag("") {
		t.Errorf("got %q %s", got, *out.ETag)
	}
}

func TestMultipartChecksums(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	one, two := string(s3test.Random(1, objectstore.MinPartBytes)), string(s3test.Random(2, 1000))
	for _, tc := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
		want      types.ChecksumType
	}{
		{types.ChecksumAlgorithmCrc32, "", types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmSha256, "", types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc64nvme, "", types.ChecksumTypeFullObject},
	} {
		u := h.Begin(t, "k", func(in *s3.CreateMultipartUploadInput) { in.ChecksumAlgorithm, in.ChecksumType = tc.algorithm, tc.kind })
		for i, body := range []string{one, two} {
			number := int32(i + 1)
			out, err := h.Client.UploadPart(t.Context(), &s3.UploadPartInput{
				Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID, PartNumber: &number, Body: strings.NewReader(body), ChecksumAlgorithm: tc.algorithm,
			})
			if err != nil {
				t.Fatal(err)
			}
			u.Parts = append(u.Parts, types.CompletedPart{
				PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
			})
		}
		if _, err := h.Complete(t, u); err != nil {
			t.Fatalf("%s: %v", tc.algorithm, err)
		}
		// The SDK verifies a checksum of the full object.
		out, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &u.Key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(out.Body)
		if err != nil || !bytes.Equal(b, []byte(one+two)) {
			t.Errorf("%s %s: %v", tc.algorithm, tc.kind, err)
		}
		if out.ChecksumType != tc.want {
			t.Errorf("%s %s: type %s, want %s", tc.algorithm, tc.kind, out.ChecksumType, tc.want)
		}
	}
	status, _, _ := h.Do(t, s3test.Request{Method: "POST", Target: "/uploads/k?uploads", Header: map[string]string{"X-Amz-Checksum-Algorithm": "SHA256", "X-Amz-Checksum-Type": "FULL_OBJECT"}})
	if status != 400 {
		t.Errorf("SHA256 over a full object: got %d", status)
	}
	u := h.Begin(t, "bad", func(in *s3.CreateMultipartUploadInput) {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	})
	h.Part(t, u, 1, "hello")
	_, err := h.Complete(t, u, func(in *s3.CompleteMultipartUploadInput) { in.ChecksumCRC32 = aws.String("AAAAAA==") })
	s3test.WantCode(t, err, "BadDigest")
	h.Missing(t, "bad")
	u.Parts[0].ChecksumCRC32 = aws.String("AAAAAA==")
	_, err = h.Complete(t, u)
	s3test.WantCode(t, err, "InvalidPart")
}
