package eventsource

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	settleTries   = 5
	settleTimeout = 10 * time.Second
)

// entryIDs name the entries of a call by their position.
var entryIDs = [receiveMax]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

// delete deletes messages ten at a time and retries what failed. What cannot be deleted comes again: that is logged by id.
func (r *queueRun) delete(ctx context.Context, messages []message) {
	r.settle(ctx, "delete", messages, func(ctx context.Context, chunk []message) ([]types.BatchResultErrorEntry, error) {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(chunk))
		for i, m := range chunk {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: &entryIDs[i], ReceiptHandle: m.ReceiptHandle}
		}
		out, err := r.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: r.url, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

// giveBack makes messages visible again at once. What cannot be given back comes again when its visibility ends.
func (r *queueRun) giveBack(work context.Context, messages []message) {
	r.changeVisibility(work, "give back", messages, 0)
}

// extend keeps messages invisible for d from now, in whole seconds, and returns those for which that failed: they come again
// when their visibility ends, or have come already.
func (r *queueRun) extend(work context.Context, messages []message, d time.Duration) (failed []message) {
	return r.changeVisibility(work, "extend", messages, int32((d+time.Second-1)/time.Second))
}

func (r *queueRun) changeVisibility(work context.Context, action string, messages []message, seconds int32) (failed []message) {
	return r.settle(work, action, messages, func(ctx context.Context, chunk []message) ([]types.BatchResultErrorEntry, error) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(chunk))
		for i, m := range chunk {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id: &entryIDs[i], ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
			}
		}
		out, err := r.Client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: r.url, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

// without returns the messages that are not among failed, and in a FIFO queue not behind one of them. It notes their groups.
func (r *queueRun) without(messages, failed []message, failedGroups map[string]bool) []message {
	gone := make(map[string]bool, len(failed))
	for _, m := range failed {
		gone[m.id()] = true
		failedGroups[m.group()] = true
	}
	return slices.DeleteFunc(messages, func(m message) bool { return gone[m.id()] || r.fifo && failedGroups[m.group()] })
}

// settle tells SQS the fate of messages, also while the mapping drains. An entry that failed by the sender's fault, such as
// an old receipt handle, is not tried again. After the drain's cut each call is made once more, all within settleBound.
// It returns what could not be settled.
func (r *queueRun) settle(work context.Context, action string, messages []message, call func(context.Context, []message) ([]types.BatchResultErrorEntry, error)) (failed []message) {
	for chunk := range slices.Chunk(messages, receiveMax) {
		for try := 1; len(chunk) > 0; try++ {
			last := try == settleTries || work.Err() != nil
			again, lost, err := r.tryToSettle(work, chunk, call)
			if last {
				lost = append(lost, again...)
				if draining(work) {
					r.addLeft(again)
				}
				again = nil
			}
			for _, m := range lost {
				r.Logger.ErrorContext(work, "message not settled, it will come again", "action", action, "messageId", m.id(), "error", err)
			}
			failed = append(failed, lost...)
			if chunk = again; len(chunk) > 0 {
				sleep(work, r.Backoff(try))
			}
		}
	}
	return failed
}

// tryToSettle makes one call and returns the messages that may be tried again, and those that SQS refused for good.
func (r *queueRun) tryToSettle(work context.Context, chunk []message, call func(context.Context, []message) ([]types.BatchResultErrorEntry, error)) (again, lost []message, err error) {
	ctx, cancel := context.WithTimeout(settling(work), settleTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return chunk, nil, err
	}
	failed, err := call(ctx, chunk)
	if err != nil {
		return chunk, nil, err
	}
	for _, f := range failed {
		i, err := strconv.Atoi(aws.ToString(f.Id))
		if err != nil || i < 0 || i >= len(chunk) {
			continue
		}
		if f.SenderFault {
			lost = append(lost, chunk[i])
		} else {
			again = append(again, chunk[i])
		}
	}
	return again, lost, nil
}
