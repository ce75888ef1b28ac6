package admin

import (
	"context"
	"errors"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/functions"
	"sluice/pipeline/sqsqueue"
)

// DeadLetter is a dead letter as its message attributes describe it.
type DeadLetter struct {
	Queue, Cause, Reason, Worker, Attempts, Time, Body string
}

// maxDeadLetters bounds how many dead letters of a queue are read.
const maxDeadLetters = 1000

// DeadLetters reads the dead letters of all functions, at most 1000 of each,
// and leaves them on their queues.
func (c *Client) DeadLetters(ctx context.Context) ([]DeadLetter, error) {
	var all []DeadLetter
	for _, f := range functions.All {
		name := f.DeadLetterQueue()
		q, err := c.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			return nil, err
		}
		found, err := c.readDeadLetters(ctx, name, q.QueueUrl)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (c *Client) readDeadLetters(ctx context.Context, name string, queueURL *string) (found []DeadLetter, err error) {
	var received []types.ChangeMessageVisibilityBatchRequestEntry
	defer func() {
		// A reader must not hide dead letters from the next reader.
		for len(received) > 0 {
			n := min(len(received), 10)
			_, e := c.SQS.ChangeMessageVisibilityBatch(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: queueURL, Entries: received[:n]})
			err = errors.Join(err, e)
			received = received[n:]
		}
	}()
	for len(found) < maxDeadLetters {
		out, err := c.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: queueURL, MaxNumberOfMessages: 10, VisibilityTimeout: 60, MessageAttributeNames: []string{"All"},
		})
		if err != nil || len(out.Messages) == 0 {
			return found, err
		}
		for _, m := range out.Messages {
			attr := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
			found = append(found, DeadLetter{
				Queue: name, Cause: attr(sqsqueue.AttrCause), Reason: attr(sqsqueue.AttrReason),
				Worker: attr(sqsqueue.AttrWorker), Attempts: attr(sqsqueue.AttrAttempts), Time: attr(sqsqueue.AttrTime), Body: aws.ToString(m.Body),
			})
			received = append(received, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(len(received) % 10)), ReceiptHandle: m.ReceiptHandle,
			})
		}
	}
	return found, nil
}
