// Package deadletters lists, redrives and drops dead letters, one by one, over
// SQS's protocol: of the local stack and of AWS.
package deadletters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline/sqsqueue"
)

// A Queue is a dead-letter queue.
type Queue struct {
	URL string
	// SourceURLs are the queues whose dead letters it receives. A stream has no
	// queue, so that its dead letters cannot be redriven.
	SourceURLs []string
}

// DeadLetter is a message of a dead-letter queue. Its text comes from senders
// and providers.
type DeadLetter struct {
	ID       string `json:"id"`    // of the message on the dead-letter queue
	Queue    string `json:"queue"` // name of the dead-letter queue
	Cause    string `json:"cause"` // the idempotency key of the record
	Reason   string `json:"reason"`
	Worker   string `json:"worker"`
	Attempts string `json:"attempts"`
	Time     string `json:"time"` // RFC 3339
	Source   string `json:"source"`
	Body     string `json:"body"`
}

// Limit bounds how many dead letters of a queue are read.
const Limit = 1000

// visibility is how long dead letters are hidden from other readers while they
// are read, in seconds.
const visibility = 60

// action is what is done with a dead letter.
type action func(ctx context.Context, q Queue, d DeadLetter, m types.Message) (taken bool, err error)

// List returns the dead letters of all queues, at most Limit of each, and leaves
// them there.
func List(ctx context.Context, client *sqs.Client, queues []Queue) ([]DeadLetter, error) {
	return each(ctx, client, queues, func(context.Context, Queue, DeadLetter, types.Message) (bool, error) { return false, nil })
}

// Redrive sends the dead letters that match to the queue that they came from,
// with their body and attributes, and removes them from the dead-letter queue. It
// returns those that it sent.
func Redrive(ctx context.Context, client *sqs.Client, queues []Queue, match func(DeadLetter) bool) (redriven []DeadLetter, err error) {
	_, err = each(ctx, client, queues, func(ctx context.Context, q Queue, d DeadLetter, m types.Message) (bool, error) {
		if !match(d) {
			return false, nil
		}
		to, err := q.sourceOf(d)
		if err != nil {
			return false, err
		}
		in := &sqs.SendMessageInput{QueueUrl: &to, MessageBody: m.Body, MessageAttributes: m.MessageAttributes}
		if strings.HasSuffix(to, ".fifo") {
			in.MessageGroupId = aws.String(cmp.Or(m.Attributes["MessageGroupId"], "redriven"))
			in.MessageDeduplicationId = m.MessageId
		}
		if _, err := client.SendMessage(ctx, in); err != nil {
			return false, fmt.Errorf("redrive %s: %w", d.ID, err)
		}
		redriven = append(redriven, d)
		return true, nil
	})
	return redriven, err
}

// Drop removes the dead letters that match and returns them.
func Drop(ctx context.Context, client *sqs.Client, queues []Queue, match func(DeadLetter) bool) (dropped []DeadLetter, err error) {
	_, err = each(ctx, client, queues, func(_ context.Context, _ Queue, d DeadLetter, _ types.Message) (bool, error) {
		if !match(d) {
			return false, nil
		}
		dropped = append(dropped, d)
		return true, nil
	})
	return dropped, err
}

// sourceOf is the queue that a dead letter came from.
func (q Queue) sourceOf(d DeadLetter) (string, error) {
	for _, url := range q.SourceURLs {
		if d.Source != "" && name(url) == d.Source[strings.LastIndexByte(d.Source, ':')+1:] {
			return url, nil
		}
	}
	if d.Source == "" && len(q.SourceURLs) == 1 { // SQS moved it, without attributes
		return q.SourceURLs[0], nil
	}
	return "", fmt.Errorf("redrive %s: its source %q has no queue that it could be sent to", d.ID, d.Source)
}

// each calls act with each dead letter, removes those that act has taken, and
// makes the others visible again.
func each(ctx context.Context, client *sqs.Client, queues []Queue, act action) (all []DeadLetter, err error) {
	var problems []error
	for _, q := range queues {
		found, err := eachOf(ctx, client, q, act)
		all = append(all, found...)
		if err != nil {
			problems = append(problems, fmt.Errorf("dead-letter queue %s: %w", name(q.URL), err))
		}
	}
	return all, errors.Join(problems...)
}

// eachOf receives all dead letters before it acts: one that is redriven may fail
// and come back at once.
func eachOf(ctx context.Context, client *sqs.Client, q Queue, act action) (found []DeadLetter, err error) {
	messages, err := receive(ctx, client, q.URL)
	var kept []types.ChangeMessageVisibilityBatchRequestEntry
	defer func() { err = errors.Join(err, show(context.WithoutCancel(ctx), client, q.URL, kept)) }()
	for _, m := range messages {
		d, taken := describe(q.URL, m), false
		found = append(found, d)
		if err == nil {
			if taken, err = act(ctx, q, d, m); taken && err == nil {
				_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.URL, ReceiptHandle: m.ReceiptHandle})
			}
		}
		if !taken || err != nil {
			kept = append(kept, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(len(kept) % 10)), ReceiptHandle: m.ReceiptHandle,
			})
		}
	}
	return found, err
}

// receive returns the messages of a queue, at most Limit, and hides them for a
// minute.
func receive(ctx context.Context, client *sqs.Client, url string) (all []types.Message, err error) {
	for len(all) < Limit {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: visibility, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameMessageGroupId},
		})
		if err != nil || len(out.Messages) == 0 {
			return all, err
		}
		all = append(all, out.Messages...)
	}
	return all, nil
}

// show makes messages visible again.
func show(ctx context.Context, client *sqs.Client, url string, entries []types.ChangeMessageVisibilityBatchRequestEntry) (err error) {
	for len(entries) > 0 {
		n := min(len(entries), 10)
		_, e := client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries[:n]})
		err = errors.Join(err, e)
		entries = entries[n:]
	}
	return err
}

func describe(url string, m types.Message) DeadLetter {
	attr := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
	return DeadLetter{
		ID: aws.ToString(m.MessageId), Queue: name(url),
		Cause: attr(sqsqueue.AttrCause), Reason: cmp.Or(attr(sqsqueue.AttrReason), "no reason given: SQS moved it after too many receives"),
		Worker: attr(sqsqueue.AttrWorker), Attempts: attr(sqsqueue.AttrAttempts), Time: attr(sqsqueue.AttrTime),
		Source: attr(sqsqueue.AttrSource), Body: aws.ToString(m.Body),
	}
}

// name is a queue's name.
func name(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
