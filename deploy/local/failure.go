package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/deploy/eventsource"
)

// keepFailure puts changes that could not be announced into the failure bucket,
// whole, under the key that Lambda gives them.
func (h *home) keepFailure(ctx context.Context, f eventsource.Failure) error {
	at := f.At.UTC()
	key := fmt.Sprintf("aws/lambda/changes/%s/%s/%s-%s", f.Shard, at.Format("2006/01/02"), at.Format("2006-01-02T15.04.05"), f.Records[0].Sequence)
	_, err := h.clients.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucketFailures), Key: &key, Body: bytes.NewReader(f.Document()), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return err
	}
	h.log.ErrorContext(ctx, "changes given up", "bucket", bucketFailures, "key", key, "condition", f.Condition, "records", len(f.Records), "error", f.Err)
	return nil
}
