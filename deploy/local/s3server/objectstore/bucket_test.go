package objectstore_test

import (
	"testing"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const bucket = s3test.Bucket

// withStep calls step at the points where a change can be interrupted.
func withStep(step func(point string)) objectstore.Options {
	var o objectstore.Options
	o.SetStep(step)
	return o
}

// The figures of a bucket count the objects that it holds, not the changes.
func TestBucketFiguresFollowEachChange(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "a", "12345")
	h.Put(t, "b", "123")
	h.Put(t, "a", "1")
	h.Put(t, "c/d", "7777777")
	if _, err := h.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
	all, err := h.Objects.Buckets()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Name != bucket || all[0].Objects != 2 || all[0].Bytes != 8 {
		t.Errorf("got %+v, want 2 objects of 8 bytes in %s", all, bucket)
	}
}

func TestListReturnsObjectsAfterAName(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "a", "1")
	h.Put(t, "c/d", "7777777")
	list, err := h.Objects.List(bucket, objectstore.Listing{After: "a", Limit: 10})
	if e := list.Entries; err != nil || len(e) != 1 || e[0].Name != "c/d" || e[0].Object.Size != 7 || e[0].Object.Header["Content-Type"] == "" {
		t.Errorf("list: %+v, %v", list, err)
	}
	if _, err := h.Objects.List("missing", objectstore.Listing{Limit: 10}); err == nil {
		t.Error("list of no bucket: no error")
	}
}
