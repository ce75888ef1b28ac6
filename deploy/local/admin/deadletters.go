package admin

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/functions"
	"sluice/deploy/internal/deadletters"
)

// DeadLetterQueues are the dead-letter queues of all functions.
func (c *Client) DeadLetterQueues(ctx context.Context) ([]deadletters.Queue, error) {
	queues := make([]deadletters.Queue, len(functions.Mapped()))
	for i, f := range functions.Mapped() {
		url, err := c.queueURL(ctx, f.DeadLetterQueue())
		if err != nil {
			return nil, err
		}
		queues[i].URL = url
		if f.Source.Queue != "" {
			source, err := c.queueURL(ctx, f.Source.Queue)
			if err != nil {
				return nil, err
			}
			queues[i].SourceURLs = []string{source}
		}
	}
	return queues, nil
}

func (c *Client) queueURL(ctx context.Context, name string) (string, error) {
	q, err := c.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return "", err
	}
	return *q.QueueUrl, nil
}

// DeadLetters returns the dead letters of all functions, at most
// [deadletters.Limit] of each, and leaves them on their queues.
func (c *Client) DeadLetters(ctx context.Context) ([]deadletters.DeadLetter, error) {
	queues, err := c.DeadLetterQueues(ctx)
	if err != nil {
		return nil, err
	}
	return deadletters.List(ctx, c.SQS, queues)
}
