package eventsource

import (
	"context"
	"errors"
	"sync"
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
	batch, full, err := r.receive(ctx, work, r.BatchSize, r.longPoll())
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
		var more []message
		if n := r.receivesAtOnce(batch); full && n > 1 {
			more, full, err = r.receiveMany(ctx, work, n, r.BatchSize-len(batch))
		} else {
			more, full, err = r.receive(ctx, work, r.BatchSize-len(batch), wait)
		}
		batch = append(batch, more...)
		if err != nil {
			return batch, received, err
		}
	}
	return batch, received, nil
}

// maxReceivesAtOnce bounds the receives that fill one batch: a receive gives ten messages at most, and one after the other they
// would make a large batch slower than small ones.
const maxReceivesAtOnce = 5

// receivesAtOnce is how many receives would fill the batch, if the messages to come are as large as those that came.
func (r *queueRun) receivesAtOnce(batch []message) int {
	size := 0
	for _, m := range batch {
		size += m.size()
	}
	room := max(0, MaxPayloadBytes-size) / (size / len(batch))
	return min((min(r.BatchSize-len(batch), room)+receiveMax-1)/receiveMax, maxReceivesAtOnce)
}

// receiveMany receives most messages with n calls at once, of which each asks for its share. It is full if each got that. It waits
// for a second at most, and not zero: SQS's short polls do not look everywhere.
func (r *queueRun) receiveMany(ctx, work context.Context, n, most int) (batch []message, full bool, err error) {
	type part struct {
		batch []message
		full  bool
		err   error
	}
	parts := make([]part, n)
	var running sync.WaitGroup
	for i := range parts {
		share := min(receiveMax, most-i*receiveMax)
		running.Go(func() {
			p := &parts[i]
			p.batch, p.full, p.err = r.receive(ctx, work, share, time.Second)
		})
	}
	running.Wait()
	full = true
	for _, p := range parts {
		batch = append(batch, p.batch...)
		full = full && p.full
		err = errors.Join(err, p.err)
	}
	return batch, full, err
}

// longPoll is how long a poll waits for a first message. One that is let finish must do so within the DrainLimit.
func (r *queueRun) longPoll() time.Duration {
	if r.CancelPolls {
		return longPoll
	}
	return min(max(r.DrainLimit.Truncate(time.Second), time.Second), longPoll)
}

// receive makes one ReceiveMessage call and returns what passes the filters. It is full if the queue gave all that was asked for,
// so that there may be more.
func (r *queueRun) receive(ctx, work context.Context, most int, wait time.Duration) (pass []message, full bool, err error) {
	if !r.CancelPolls {
		ctx = work
	}
	most = min(most, receiveMax)
	out, err := r.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    r.url,
		MaxNumberOfMessages:         int32(most),
		WaitTimeSeconds:             int32(wait / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, false, err
	}
	messages := newMessages(out.Messages, r.QueueARN, r.region)
	full = len(messages) == most
	if len(r.filters) == 0 {
		return messages, full, nil
	}
	var drop []message
	for _, m := range messages {
		if r.filters.matchBody(aws.ToString(m.Body)) {
			pass = append(pass, m)
		} else {
			drop = append(drop, m)
		}
	}
	r.delete(work, drop)
	return pass, full, nil
}
