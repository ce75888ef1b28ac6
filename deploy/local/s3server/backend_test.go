package s3server

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	ctx := t.Context()
	create := func(name string) error {
		_, err := h.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
		return err
	}
	remove := func(name string) error {
		_, err := h.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		return err
	}
	wantCode(t, create("thumbnails"), "")
	wantCode(t, create("thumbnails"), "BucketAlreadyOwnedByYou")
	wantCode(t, create("No_Good"), "InvalidBucketName")
	if err := h.CreateBucket(ctx, "thumbnails"); err != nil {
		t.Errorf("CreateBucket again: %v", err)
	}
	if err := h.CreateBucket(ctx, "../x"); err == nil || !strings.Contains(err.Error(), `"../x"`) {
		t.Errorf("CreateBucket with a bad name: %v", err)
	}
	list, err := h.client.ListBuckets(ctx, &s3.ListBucketsInput{})
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
	_, err = h.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("nobody")})
	wantStatus(t, err, 404)

	h.put(t, "k", "v")
	wantCode(t, remove(bucket), "BucketNotEmpty")
	if _, err := h.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	up := h.begin(t, "unfinished")
	h.part(t, up, 1, "some")
	wantCode(t, remove(bucket), "")
	wantCode(t, remove(bucket), "NoSuchBucket")
	if n := h.files(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
	wantCode(t, create(bucket), "")
	_, err = h.client.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(bucket), Key: aws.String("unfinished"), UploadId: &up.id})
	wantCode(t, err, "NoSuchUpload")
}
