package s3server

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func sumOf(t *testing.T, algorithm, body string) string {
	t.Helper()
	h, err := newChecksum(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// The published check values for "123456789".
func TestChecksumAlgorithms(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888",
		"sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441", "md5": "25f9e794323b453885f5181f1b624d0b",
	} {
		h, err := newChecksum(name)
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// The SDK sends and verifies each algorithm by itself.
func TestSDKChecksums(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	for _, a := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		body := "body for " + string(a)
		out := h.put(t, "k", body, func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = a })
		if out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: the answer to the upload has no checksum", a)
		}
		got, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(got.Body) // fails if the sum does not match
		if err != nil || string(b) != body {
			t.Errorf("%s: %q %v", a, b, err)
		}
		if got.ChecksumType == "" {
			t.Errorf("%s: no checksum on GET", a)
		}
		part, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{
			Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled, Range: aws.String("bytes=0-3"),
		})
		if err != nil || part.ChecksumType != "" {
			t.Errorf("%s: a range has the checksum of the whole: %v", a, err)
		}
		if b, err := io.ReadAll(part.Body); err != nil || string(b) != "body" {
			t.Errorf("%s: range %q %v", a, b, err)
		}
	}
}
