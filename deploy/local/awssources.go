package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource"
)

// maxChangeAge is the age at which a change is given up: half of what a stream
// keeps, so that somebody has the other half to look.
const maxChangeAge = 12 * time.Hour

// queueARN asks a queue for its ARN.
func queueARN(ctx context.Context, client *sqs.Client, url string) (string, error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", fmt.Errorf("queue %q: %w", url, err)
	}
	return out.Attributes[string(types.QueueAttributeNameQueueArn)], nil
}

// streamARN asks a table for its stream, which must carry both images.
func streamARN(ctx context.Context, client *dynamodb.Client, table string) (string, error) {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return "", fmt.Errorf("table %q: %w", table, err)
	}
	spec := out.Table.StreamSpecification
	if spec == nil || !aws.ToBool(spec.StreamEnabled) || aws.ToString(out.Table.LatestStreamArn) == "" {
		return "", fmt.Errorf("table %q has no stream: it needs one with the view type %s", table, dynamodbtypes.StreamViewTypeNewAndOldImages)
	}
	if spec.StreamViewType != dynamodbtypes.StreamViewTypeNewAndOldImages {
		return "", fmt.Errorf("table %q has a stream with the view type %s, it needs %s: a view type cannot be edited, the table needs a new stream",
			table, spec.StreamViewType, dynamodbtypes.StreamViewTypeNewAndOldImages)
	}
	return *out.Table.LatestStreamArn, nil
}

// failureBucket takes changes that are given up, whole, under the keys that
// Lambda gives them.
type failureBucket struct {
	client *s3.Client
	bucket string
	log    *slog.Logger
}

func (b failureBucket) put(ctx context.Context, f eventsource.Failure) error {
	at := f.At.UTC()
	key := fmt.Sprintf("aws/lambda/%s/%s/%s/%s-%s", functionChanges, f.Shard, at.Format("2006/01/02"), at.Format("2006-01-02T15.04.05"), f.Records[0].Sequence)
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: &key, Body: bytes.NewReader(f.Document()), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("keep changes that are given up in bucket %q: %w", b.bucket, err)
	}
	b.log.ErrorContext(ctx, "changes given up", "bucket", b.bucket, "key", key, "condition", f.Condition, "records", len(f.Records), "error", f.Err)
	return nil
}
