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

// entryIDs are the ids of the entries of a call: their positions.
var entryIDs = [maxQueueBatch]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

// settleCall makes one batch call of SQS for messages and returns the entries
// that failed.
type settleCall func(ctx context.Context, messages []message) ([]types.BatchResultErrorEntry, error)

// delete deletes messages and retries those that failed. A message that cannot
// be deleted is logged; it will be received again.
func (r *queueRun) delete(work context.Context, messages []message) {
	r.settle(work, "delete", messages, func(ctx context.Context, messages []message) ([]types.BatchResultErrorEntry, error) {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
		for i, m := range messages {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: &entryIDs[i], ReceiptHandle: m.ReceiptHandle}
		}
		out, err := r.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: r.url, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

// makeVisible makes messages visible again. If that fails, they become visible
// when their visibility timeout ends.
func (r *queueRun) makeVisible(work context.Context, messages []message) {
	r.changeVisibility(work, "make visible", messages, 0)
}

// extend keeps messages invisible for d from now, rounded up to seconds. It
// returns those for which that failed: they may have become visible already.
func (r *queueRun) extend(work context.Context, messages []message, d time.Duration) (failed []message) {
	return r.changeVisibility(work, "extend", messages, int32((d+time.Second-1)/time.Second))
}

func (r *queueRun) changeVisibility(work context.Context, action string, messages []message, seconds int32) (failed []message) {
	return r.settle(work, action, messages, func(ctx context.Context, messages []message) ([]types.BatchResultErrorEntry, error) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
		for i, m := range messages {
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

// without returns the messages that are not in failed and, in a FIFO queue, not
// of the group of one that is. It adds these groups to failedGroups.
func (r *queueRun) without(messages, failed []message, failedGroups map[string]bool) []message {
	gone := make(map[string]bool, len(failed))
	for _, m := range failed {
		gone[m.id()] = true
		failedGroups[m.group()] = true
	}
	return slices.DeleteFunc(messages, func(m message) bool { return gone[m.id()] || r.fifo && failedGroups[m.group()] })
}

// settle makes a call for messages, in chunks of ten, and retries what failed,
// also while the mapping drains. It does not retry an entry that failed by the
// sender's fault, such as an old receipt handle. After the drain limit it makes
// each call once more, all within settleBound. It returns the messages that are
// not settled.
func (r *queueRun) settle(work context.Context, action string, messages []message, call settleCall) (failed []message) {
	for chunk := range slices.Chunk(messages, maxQueueBatch) {
		for try := 1; len(chunk) > 0; try++ {
			last := try == settleTries || work.Err() != nil
			again, refused, err := r.tryToSettle(work, chunk, call)
			if last {
				refused = append(refused, again...)
				if draining(work) {
					r.addLeft(again)
				}
				again = nil
			}
			for _, m := range refused {
				r.Logger.ErrorContext(work, "message not settled, it will be received again", "action", action, "messageId", m.id(), "error", err)
			}
			failed = append(failed, refused...)
			if chunk = again; len(chunk) > 0 {
				sleep(work, r.Backoff(try))
			}
		}
	}
	return failed
}

// tryToSettle makes one call. It returns the messages that may be retried, and
// those that SQS refused by the sender's fault.
func (r *queueRun) tryToSettle(work context.Context, chunk []message, call settleCall) (again, refused []message, err error) {
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
			refused = append(refused, chunk[i])
		} else {
			again = append(again, chunk[i])
		}
	}
	return again, refused, nil
}
