package sqsqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// Connect opens the client's connection to SQS. It sends an empty batch, which
// SQS refuses without further effect and which needs the permission of Send
// only. The error is nil if SQS responds.
func (q Queue) Connect(ctx context.Context) error {
	_, err := q.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: []types.SendMessageBatchRequestEntry{}})
	if _, responded := errors.AsType[smithy.APIError](err); err != nil && !responded {
		return fmt.Errorf("connect to %s: %w", q.URL, err)
	}
	return nil
}
