package sqstest

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// ErrorTypes is the case that asks for the types and codes of errors, which other cases ask for in passing.
const ErrorTypes = "error types"

var errorCases = []Case{
	{
		Name: ErrorTypes,
		Rule: "An error has AWS's type, or AWS's code where the SDK has no type.",
		Check: func(t *T) {
			t.strict = true
			url := t.queue()
			_, err := t.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(t.name())})
			wantError[*types.QueueDoesNotExist](t, "no such queue", err)
			_, err = t.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("nonsense")})
			wantError[*types.ReceiptHandleIsInvalid](t, "no receipt handle", err)
			_, err = t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 11})
			wantCode(t, "eleven messages", err, "InvalidParameterValue")
			_, err = t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs("Nonsense", "1")})
			wantError[*types.InvalidAttributeName](t, "no such attribute", err)
			entries := make([]types.SendMessageBatchRequestEntry, 2)
			for i := range entries {
				entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String("same"), MessageBody: aws.String("x")}
			}
			_, err = t.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
			wantError[*types.BatchEntryIdsNotDistinct](t, "one id twice", err)
		},
	},
}
