package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
)

// presignedFor is how long the URL is valid.
const presignedFor = 15 * time.Minute

// presign prints a URL that lets someone without credentials upload one object.
func (c *command) presign(ctx context.Context, s *admin.Client, key string) error {
	req, err := s3.NewPresignClient(s.S3).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(stack.BucketUploads), Key: &key},
		s3.WithPresignExpires(presignedFor))
	if err != nil {
		return fmt.Errorf("presign %q: %w", key, err)
	}
	fmt.Fprintln(c.stdout, req.URL)
	return nil
}
