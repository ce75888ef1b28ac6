package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// presignedFor is how long a presigned upload can begin.
const presignedFor = 15 * time.Minute

// presign prints a URL by which who has no keys can put one object into bucket
// uploads.
func (c *command) presign(ctx context.Context, h *remote, key string) error {
	req, err := s3.NewPresignClient(h.S3).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucketUploads), Key: &key},
		s3.WithPresignExpires(presignedFor))
	if err != nil {
		return fmt.Errorf("presign %q: %w", key, err)
	}
	fmt.Fprintln(c.stdout, req.URL)
	return nil
}
