package s3server_test

import (
	"io"
	"testing"

	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The SDK sends and verifies each algorithm itself.
func TestSDKChecksums(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	for _, a := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		body := "body for " + string(a)
		out := h.Put(t, "k", body, func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = a })
		if out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: the response to the upload has no checksum", a)
		}
		got, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
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
		part, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{
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
