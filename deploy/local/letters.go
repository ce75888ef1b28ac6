package main

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline/sqsqueue"
)

// letter is a dead letter, as far as its attributes tell.
type letter struct {
	Queue, Cause, Reason, Worker, Attempts, Time, Body string
}

// letters reads the dead letters, and leaves them where they are. At most 1000
// of a queue are read.
func (r *remote) letters(ctx context.Context) ([]letter, error) {
	var all []letter
	names := []string{queueChangesDead}
	for _, wq := range workerQueues {
		names = append(names, wq.name+deadSuffix)
	}
	for _, name := range names {
		q, err := r.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			return nil, err
		}
		found, err := r.readLetters(ctx, name, q.QueueUrl)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (r *remote) readLetters(ctx context.Context, name string, queueURL *string) (found []letter, err error) {
	var held []types.ChangeMessageVisibilityBatchRequestEntry
	defer func() {
		// Whoever looks at letters must not hide them from the next one.
		for len(held) > 0 {
			n := min(len(held), 10)
			_, e := r.SQS.ChangeMessageVisibilityBatch(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: queueURL, Entries: held[:n]})
			err = errors.Join(err, e)
			held = held[n:]
		}
	}()
	for len(found) < 1000 {
		out, err := r.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: queueURL, MaxNumberOfMessages: 10, VisibilityTimeout: 60, MessageAttributeNames: []string{"All"},
		})
		if err != nil || len(out.Messages) == 0 {
			return found, err
		}
		for _, m := range out.Messages {
			attr := func(k string) string { return aws.ToString(m.MessageAttributes[k].StringValue) }
			found = append(found, letter{
				Queue: name, Cause: attr(sqsqueue.AttrCause), Reason: attr(sqsqueue.AttrReason),
				Worker: attr(sqsqueue.AttrWorker), Attempts: attr(sqsqueue.AttrAttempts), Time: attr(sqsqueue.AttrTime), Body: aws.ToString(m.Body),
			})
			held = append(held, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String("m" + string(rune('0'+len(held)%10))), ReceiptHandle: m.ReceiptHandle,
			})
		}
	}
	return found, nil
}
