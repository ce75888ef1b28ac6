package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// maxRecordAge is the age at which a change is given up: half of what a stream
// keeps, which leaves the other half to read it by hand.
const maxRecordAge = 12 * time.Hour

// queueARN requests a queue's ARN.
func queueARN(ctx context.Context, client *sqs.Client, url string) (string, error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", fmt.Errorf("queue %q: %w", url, err)
	}
	return out.Attributes[string(types.QueueAttributeNameQueueArn)], nil
}

// streamARN requests the ARN of a table's stream, which must carry both images.
func streamARN(ctx context.Context, client *dynamodb.Client, table string) (string, error) {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return "", fmt.Errorf("table %q: %w", table, err)
	}
	spec := out.Table.StreamSpecification
	if spec == nil || !aws.ToBool(spec.StreamEnabled) || aws.ToString(out.Table.LatestStreamArn) == "" {
		return "", fmt.Errorf("table %q: got no stream, want one with the view type %s", table, dynamodbtypes.StreamViewTypeNewAndOldImages)
	}
	if spec.StreamViewType != dynamodbtypes.StreamViewTypeNewAndOldImages {
		return "", fmt.Errorf("table %q: got a stream with the view type %s, want %s: a view type cannot be edited, the table needs a new stream",
			table, spec.StreamViewType, dynamodbtypes.StreamViewTypeNewAndOldImages)
	}
	return *out.Table.LatestStreamArn, nil
}
