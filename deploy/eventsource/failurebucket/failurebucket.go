// Package failurebucket puts the changes that a stream mapping gave up into an S3
// bucket, as Lambda does for an on-failure destination.
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

// Bucket is an S3 bucket for changes that were given up. The keys are those that
// Lambda uses. It is safe for concurrent use.
type Bucket struct {
	Client   *s3.Client
	Name     string
	Function string // name of the function, a part of each key
	Logger   *slog.Logger
}

// Put stores a batch with its records. It is a function for
// [eventsource.FeedMapping.OnFailure].
func (b Bucket) Put(ctx context.Context, f eventsource.Failure) error {
	at := f.At.UTC()
	key := fmt.Sprintf("aws/lambda/%s/%s/%s/%s-%s", b.Function, f.Shard, at.Format("2006/01/02"), at.Format("2006-01-02T15.04.05"), f.Records[0].Sequence)
	_, err := b.Client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.Name, Key: &key, Body: bytes.NewReader(f.Document()), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("put changes that were given up into bucket %q as %q: %w", b.Name, key, err)
	}
	b.Logger.ErrorContext(ctx, "changes given up", "bucket", b.Name, "key", key, "condition", f.Condition, "records", len(f.Records), "error", f.Err)
	return nil
}
