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
	_, err = h.Client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("missing")})
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

func TestBucketNames(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	for name, valid := range map[string]bool{
		"abc": true, "a-b": true, "a.b.c": true, "0a0": true, strings.Repeat("a", 63): true,
		"ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "-ab": false, "ab-": false, "a..b": false, "a.-b": false, ".ab": false, "127.0.0.1": false,
	} {
		status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: "/" + name})
		if valid && status != 200 || !valid && !strings.Contains(body, "<Code>InvalidBucketName</Code>") {
			t.Errorf("%q: got %d %s, want it valid: %v", name, status, body, valid)
		}
	}
}

func TestListBucketsInPages(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	want := []string{"aaa", "bbb", "ccc", bucket}
	for _, name := range want[:3] {
		if err := h.Objects.EnsureBucket(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	list := func(in s3.ListBucketsInput) (names []string) {
		t.Helper()
		for p := s3.NewListBucketsPaginator(h.Client, &in); p.HasMorePages() && len(names) < 100; {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if in.MaxBuckets != nil && len(out.Buckets) > int(*in.MaxBuckets) {
				t.Errorf("got a page of %d buckets, want at most %d", len(out.Buckets), *in.MaxBuckets)
			}
			for _, b := range out.Buckets {
				names = append(names, *b.Name)
			}
		}
		return names
	}
	for name, row := range map[string]struct {
		in   s3.ListBucketsInput
		want []string
	}{
		"by one":         {s3.ListBucketsInput{MaxBuckets: aws.Int32(1)}, want},
		"by two":         {s3.ListBucketsInput{MaxBuckets: aws.Int32(2)}, want},
		"prefix":         {s3.ListBucketsInput{Prefix: aws.String("b")}, want[1:2]},
		"region":         {s3.ListBucketsInput{BucketRegion: aws.String("us-east-1")}, want},
		"another region": {s3.ListBucketsInput{BucketRegion: aws.String("eu-west-1")}, nil},
	} {
		if got := list(row.in); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
	for _, query := range []string{"max-buckets=0", "max-buckets=10001", "max-buckets=x", "continuation-token=", "continuation-token=%21"} {
		if status, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/?" + query}); status != 400 || !strings.Contains(body, "InvalidArgument") {
			t.Errorf("%s: got %d %s, want InvalidArgument", query, status, body)
		}
	}
}
