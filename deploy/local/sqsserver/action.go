package sqsserver

import (
	"context"
	"strings"

	"sluice/deploy/local/sqsserver/queue"
	"sluice/deploy/local/sqsserver/sqserr"
)

// action decodes the input of an action from JSON, runs it, and returns its
// output, nil if the action has none.
type action func(ctx context.Context, s *queue.Service, input []byte) (output any, err error)

// actions are the actions by the names that both protocols use.
var actions = map[string]action{
	"CreateQueue":                  withOutput((*queue.Service).CreateQueue),
	"GetQueueUrl":                  withOutput((*queue.Service).GetQueueURL),
	"GetQueueAttributes":           withOutput((*queue.Service).GetQueueAttributes),
	"SetQueueAttributes":           withoutOutput((*queue.Service).SetQueueAttributes),
	"ListQueues":                   withOutput((*queue.Service).ListQueues),
	"ListDeadLetterSourceQueues":   withOutput((*queue.Service).ListDeadLetterSourceQueues),
	"DeleteQueue":                  withoutOutput((*queue.Service).DeleteQueue),
	"PurgeQueue":                   withoutOutput((*queue.Service).PurgeQueue),
	"SendMessage":                  withOutput((*queue.Service).SendMessage),
	"SendMessageBatch":             withOutput((*queue.Service).SendMessageBatch),
	"ReceiveMessage":               withOutput((*queue.Service).ReceiveMessage),
	"DeleteMessage":                withoutOutput((*queue.Service).DeleteMessage),
	"DeleteMessageBatch":           withOutput((*queue.Service).DeleteMessageBatch),
	"ChangeMessageVisibility":      withoutOutput((*queue.Service).ChangeMessageVisibility),
	"ChangeMessageVisibilityBatch": withOutput((*queue.Service).ChangeMessageVisibilityBatch),
	"StartMessageMoveTask":         withOutput((*queue.Service).StartMessageMoveTask),
	"CancelMessageMoveTask":        withOutput((*queue.Service).CancelMessageMoveTask),
	"ListMessageMoveTasks":         withOutput((*queue.Service).ListMessageMoveTasks),
	"TagQueue":                     withoutOutput((*queue.Service).TagQueue),
	"UntagQueue":                   withoutOutput((*queue.Service).UntagQueue),
	"ListQueueTags":                withOutput((*queue.Service).ListQueueTags),
	"AddPermission":                refusePermission,
	"RemovePermission":             refusePermission,
}

func withOutput[I, O any](do func(*queue.Service, context.Context, *I) (*O, error)) action {
	return func(ctx context.Context, s *queue.Service, raw []byte) (any, error) {
		in := new(I)
		if err := decodeInput(raw, in); err != nil {
			return nil, err
		}
		out, err := do(s, ctx, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

func withoutOutput[I any](do func(*queue.Service, context.Context, *I) error) action {
	return func(ctx context.Context, s *queue.Service, raw []byte) (any, error) {
		in := new(I)
		if err := decodeInput(raw, in); err != nil {
			return nil, err
		}
		return nil, do(s, ctx, in)
	}
}

func refusePermission(context.Context, *queue.Service, []byte) (any, error) {
	return nil, sqserr.Unsupported("The local stack has no permissions: its credentials allow everything.")
}

// errUnknownAction is the error of an action that SQS does not have.
func errUnknownAction(name string) error {
	return sqserr.New("UnknownOperationException", "InvalidAction", "The action %s is not valid for this endpoint.", name)
}

// completeURLs puts base before the queue URLs of an output that are paths.
func completeURLs(base string, out any) {
	complete := func(url *string) {
		if strings.HasPrefix(*url, "/") {
			*url = base + *url
		}
	}
	var urls []string
	switch out := out.(type) {
	case *queue.QueueURLOutput:
		complete(&out.QueueURL)
	case *queue.ListQueuesOutput:
		urls = out.QueueURLs
	case *queue.ListDeadLetterSourceQueuesOutput:
		urls = out.QueueURLs
	}
	for i := range urls {
		complete(&urls[i])
	}
}
