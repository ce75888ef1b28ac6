package objectstore_test

import (
	"strconv"
	"testing"

	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// An object may be replaced after its record was read and before its body is
// opened. Readers and copies then read the record again.
func TestReplacedBetweenRecordAndBody(t *testing.T) {
	t.Parallel()
	var h *s3test.Server
	n := 0
	h = s3test.New(t, t.TempDir(), withStep(func(point string) {
		if point == "record read" || point == "source read" {
			if n++; n%3 != 0 { // twice in a row, then it stays
				h.Put(t, "k", "version "+strconv.Itoa(n))
			}
		}
	}), store.Options{NoSync: true})
	h.Put(t, "k", "version 0")
	if got, _ := h.Get(t, "k"); got != "version 2" {
		t.Errorf("get: got %q", got)
	}
	if _, err := h.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/k")}); err != nil {
		t.Fatal(err)
	}
	n = 8 // the next one stays
	if got, _ := h.Get(t, "copy"); got != "version 5" {
		t.Errorf("copy: got %q", got)
	}
}
