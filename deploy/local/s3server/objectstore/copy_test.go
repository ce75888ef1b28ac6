package objectstore_test

import (
	"errors"
	"testing"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Where the file system has no links, a copy reads and writes the body.
func TestCopyWithoutLinks(t *testing.T) {
	t.Parallel()
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{NoSync: true})
	h.Objects.SetLink(func(string, string) error { return errors.ErrUnsupported })
	h.Put(t, "k", "hello")
	if _, err := h.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/k")}); err != nil {
		t.Fatal(err)
	}
	if body, _ := h.Get(t, "copy"); body != "hello" {
		t.Errorf("got %q", body)
	}
}
