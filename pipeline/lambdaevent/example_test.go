package lambdaevent_test

import (
	"context"
	"errors"
	"fmt"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

// A worker decodes an event, runs its records and encodes the response. One message
// fails, and only that one is delivered again.
func Example() {
	invoke := func(ctx context.Context, payload []byte) ([]byte, error) {
		batch, err := lambdaevent.Decode(payload, lambdaevent.SQS)
		if err != nil {
			return nil, err
		}
		return batch.Response(pipeline.Run(ctx, batch.Records, func(_ context.Context, r pipeline.Record) error {
			if string(r.Body) == "no" {
				return errors.New("try again")
			}
			return nil
		}, pipeline.Options{Order: batch.Order}))
	}
	response, err := invoke(context.Background(), []byte(`{"Records":[
		{"messageId":"m-1","body":"yes","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"},
		{"messageId":"m-2","body":"no","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs"}]}`))
	fmt.Println(string(response), err)
	// Output: {"batchItemFailures":[{"itemIdentifier":"m-2"}]} <nil>
}

func ExampleS3Events() {
	events, err := lambdaevent.S3Events([]byte(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put",
		"s3":{"bucket":{"name":"uploads"},"object":{"key":"my+holidays/50%25.jpg","sequencer":"0055AED6DCD90281E5"}}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range events {
		fmt.Println(e.Type, e.Key, "because of", e.Cause())
	}
	// Output: created my holidays/50%.jpg because of uploads/my holidays/50%.jpg/0055AED6DCD90281E5
}
