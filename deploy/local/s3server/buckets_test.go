package s3server_test

import (
	"slices"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	ctx := t.Context()
	create := func(name string) error {
		_, err := h.Client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
		return err
	}
	remove := func(name string) error {
		_, err := h.Client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		return err
	}
	s3test.WantCode(t, create("thumbnails"), "")
	s3test.WantCode(t, create("thumbnails"), "BucketAlreadyOwnedByYou")
	s3test.WantCode(t, create("No_Good"), "InvalidBucketName")
	if err := h.Objects.EnsureBucket(ctx, "thumbnails"); err != nil {
		t.Errorf("CreateBucket again: %v", err)
	}
	if err := h.Objects.EnsureBucket(ctx, "../x"); err == nil || !strings.Contains(err.Error(), `"../x"`) {
		t.Errorf("CreateBucket with a bad name: %v", err)
	}
	list, err := h.Client.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range list.Buckets {
		names = append(names, *b.Name)
		if b.CreationDate.IsZero() {
			t.Errorf("%s has no date", *b.Name)
		}
	}
	if !slices.Equal(names, []string{"thumbnails", bucket}) {
		t.Errorf("buckets %v", names)
	}
	_, err = h.Client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("nobody")})
	s3test.WantStatus(t, err, 404)

	h.Put(t, "k", "v")
	s3test.WantCode(t, remove(bucket), "BucketNotEmpty")
	if _, err := h.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	up := h.Begin(t, "unfinished")
	h.Part(t, up, 1, "some")
	s3test.WantCode(t, remove(bucket), "")
	s3test.WantCode(t, remove(bucket), "NoSuchBucket")
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
	s3test.WantCode(t, create(bucket), "")
	_, err = h.Client.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(bucket), Key: aws.String("unfinished"), UploadId: &up.ID})
	s3test.WantCode(t, err, "NoSuchUpload")
}
