package eventsource

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// gather receives one batch: the first messages by a long poll, more until the batch is full, the payload limit is reached
// or the window is over, and when the first of it was received. Messages that no filter lets pass are deleted on the way. With
// an error it still returns what it has.
// The window ends up to a second late, because SQS waits in whole seconds and a receive that is cut short can lose messages
// until their visibility ends.
func (r *queueRun) gather(ctx, work context.Context) (batch []message, received time.Time, err error) {
	batch, err = r.receive(ctx, work, r.BatchSize, r.longPoll())
	received = time.Now()
	if err != nil || len(batch) == 0 || r.Window == 0 {
		return batch, received, err
	}
	end := received.Add(r.Window)
	for len(batch) < r.BatchSize && fitting(batch, message.size) == len(batch) {
		wait := min((time.Until(end) + time.Second - 1).Truncate(time.Second), r.longPoll())
		if wait <= 0 || ctx.Err() != nil {
			break
		}
		more, err := r.receive(ctx, work, r.BatchSize-len(batch), wait)
		batch = append(batch, more...)
		if err != nil {
			return batch, received, err
		}
	}
	return batch, received, nil
}

// longPoll is how long a poll waits for a first message. One that is let finish must do so within the DrainLimit.
func (r *queueRun) longPoll() time.Duration {
	if r.CancelPolls {
		return longPoll
	}
	return min(max(r.DrainLimit.Truncate(time.Second), time.Second), longPoll)
}

// receive makes one ReceiveMessage call and returns what passes the filters.
func (r *queueRun) receive(ctx, work context.Context, most int, wait time.Duration) ([]message, error) {
	if !r.CancelPolls {
		ctx = work
	}
	out, err := r.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    r.url,
		MaxNumberOfMessages:         int32(min(most, receiveMax)),
		WaitTimeSeconds:             int32(wait / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	messages := newMessages(out.Messages, r.QueueARN, r.region)
	if len(r.filters) == 0 {
		return messages, nil
	}
	var pass, drop []message
	for _, m := range messages {
		if r.filters.matchBody(aws.ToString(m.Body)) {
			pass = append(pass, m)
		} else {
			drop = append(drop, m)
		}
	}
	r.delete(work, drop)
	return pass, nil
}
