package s3server

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestMultipartRefusals(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	u := h.begin(t, "k")
	h.part(t, u, 1, "small")
	h.part(t, u, 2, "small too")
	good := slices.Clone(u.parts)
	bad := good[0]
	bad.ETag = aws.String(quote(md5hex("x")))
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
		u.parts = tc.parts
		if _, err := h.complete(t, u); code(err) != tc.code {
			t.Errorf("%s: got %q, want %s", name, code(err), tc.code)
		}
	}
	h.missing(t, "k")
	for name, q := range map[string]raw{
		"part 0":       {method: "PUT", target: "/uploads/k?uploadId=" + u.id + "&partNumber=0", body: "x"},
		"part 10001":   {method: "PUT", target: "/uploads/k?uploadId=" + u.id + "&partNumber=10001", body: "x"},
		"no number":    {method: "PUT", target: "/uploads/k?uploadId=" + u.id, body: "x"},
		"another key":  {method: "PUT", target: "/uploads/j?uploadId=" + u.id + "&partNumber=1", body: "x"},
		"another id":   {method: "PUT", target: "/uploads/k?uploadId=nope&partNumber=1", body: "x"},
		"huge listing": {method: "POST", target: "/uploads/k?uploadId=" + u.id, body: strings.Repeat(" ", maxXMLBytes+1)},
	} {
		if status, _, body := h.do(t, q); status < 400 || status >= 500 {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	if n := h.files(t); n != 2 {
		t.Errorf("%d bodies on the disk, want the two parts'", n)
	}
	u.parts = good[1:]
	if _, err := h.complete(t, u, func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(3) }); code(err) != "InvalidRequest" {
		t.Errorf("another size: %v", err)
	}
	h.put(t, "k", "first")
	if _, err := h.complete(t, u, func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }); code(err) != "PreconditionFailed" {
		t.Errorf("If-None-Match: %v", err)
	}
	if _, err := h.complete(t, u); err != nil {
		t.Errorf("a refused completion spoilt the upload: %v", err)
	}
	if got, _ := h.get(t, "k"); got != "small too" {
		t.Errorf("got %q", got)
	}
}

func TestEmptyPart(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	u := h.begin(t, "empty")
	h.part(t, u, 1, "")
	if _, err := h.complete(t, u); err != nil {
		t.Fatal(err)
	}
	if got, out := h.get(t, "empty"); got != "" || *out.ETag != etagOf("") {
		t.Errorf("got %q %s", got, *out.ETag)
	}
}

func TestMultipartChecksums(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	one, two := string(random(1, minPartBytes)), string(random(2, 1000))
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
		u := h.begin(t, "k", func(in *s3.CreateMultipartUploadInput) { in.ChecksumAlgorithm, in.ChecksumType = tc.algorithm, tc.kind })
		for i, body := range []string{one, two} {
			number := int32(i + 1)
			out, err := h.client.UploadPart(t.Context(), &s3.UploadPartInput{
				Bucket: aws.String(bucket), Key: &u.key, UploadId: &u.id, PartNumber: &number, Body: strings.NewReader(body), ChecksumAlgorithm: tc.algorithm,
			})
			if err != nil {
				t.Fatal(err)
			}
			u.parts = append(u.parts, types.CompletedPart{
				PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
			})
		}
		if _, err := h.complete(t, u); err != nil {
			t.Fatalf("%s: %v", tc.algorithm, err)
		}
		// The SDK verifies the sum of what it reads when it is of the full object.
		out, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &u.key, ChecksumMode: types.ChecksumModeEnabled})
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
	status, _, _ := h.do(t, raw{method: "POST", target: "/uploads/k?uploads", header: map[string]string{"X-Amz-Checksum-Algorithm": "SHA256", "X-Amz-Checksum-Type": "FULL_OBJECT"}})
	if status != 400 {
		t.Errorf("SHA256 over a full object: got %d", status)
	}
	u := h.begin(t, "bad", func(in *s3.CreateMultipartUploadInput) {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	})
	h.part(t, u, 1, "hello")
	_, err := h.complete(t, u, func(in *s3.CompleteMultipartUploadInput) { in.ChecksumCRC32 = aws.String("AAAAAA==") })
	wantCode(t, err, "BadDigest")
	h.missing(t, "bad")
	u.parts[0].ChecksumCRC32 = aws.String("AAAAAA==")
	_, err = h.complete(t, u)
	wantCode(t, err, "InvalidPart")
}
