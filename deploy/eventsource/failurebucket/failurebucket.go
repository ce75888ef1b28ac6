// Package failurebucket is the on-failure destination of a stream mapping that
// keeps whole changes in an S3 bucket.
package failurebucket

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/deploy/eventsource"
)

// Bucket is an S3 bucket for changes that are given up, under the keys that
// Lambda gives them.
type Bucket struct {
	Client   *s3.Client
	Name     string
	Function string // part of each key
	Logger   *slog.Logger
}

// Put is a FeedMapping's OnFailure.
func (b Bucket) Put(ctx context.Context, f eventsource.Failure) error {
	at := f.At.UTC()
	key := fmt.Sprintf("aws/lambda/%s/%s/%s/%s-%s", b.Function, f.Shard, at.Format("2006/01/02"), at.Format("2006-01-02T15.04.05"), f.Records[0].Sequence)
	_, err := b.Client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.Name, Key: &key, Body: bytes.NewReader(f.Document()), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("keep changes that are given up in bucket %q: %w", b.Name, err)
	}
	b.Logger.ErrorContext(ctx, "changes given up", "bucket", b.Name, "key", key, "condition", f.Condition, "records", len(f.Records), "error", f.Err)
	return nil
}
