package eventsource

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"
)

// queueRun is one Run of a QueueMapping.
type queueRun struct {
	QueueMapping
	region     string
	fifo       bool
	invoker    *invoker
	slots      *semaphore.Weighted // one for each batch that is received or invoked
	slow       *slowdown
	groups     *groups
	url        *string
	visibility time.Duration // the queue's visibility timeout

	running    sync.WaitGroup
	mu         sync.Mutex
	notStarted []message // received by polls that were open when the drain began
	left       []string  // ids of messages that the drain left
}

func (r *queueRun) run(ctx context.Context) error {
	ctx, work, stop := drainable(ctx, r.DrainLimit)
	defer stop()
	var pollers sync.WaitGroup
	for range min(maxPollers, r.MaxConcurrency) {
		pollers.Go(func() { r.poll(ctx, work) })
	}
	pollers.Wait()
	r.makeVisible(work, r.notStarted) // an open poll would receive them again
	r.running.Wait()
	if len(r.left) > 0 {
		return &LeftError{Source: r.QueueARN, After: r.DrainLimit, IDs: r.left}
	}
	return nil
}

// partMargin is how long settling the messages of one part may take while other
// parts wait.
const partMargin = 10 * time.Second

// poll receives batches and starts their invocations until ctx ends. It
// acquires a slot before it receives, so that no message waits while its
// visibility timeout runs.
func (r *queueRun) poll(ctx, work context.Context) {
	for failures := 0; ; {
		if r.slots.Acquire(ctx, 1) != nil {
			return
		}
		if !r.slow.wait(ctx) || !r.invoker.admit(ctx) {
			r.slots.Release(1)
			return
		}
		batch, err := r.receive(ctx, work)
		received := time.Now()
		switch {
		case ctx.Err() != nil:
			r.addNotStarted(batch)
			r.slots.Release(1)
			return
		case len(batch) > 0:
			r.running.Go(func() {
				defer r.slots.Release(1)
				r.handle(work, batch, received)
			})
		default:
			r.slots.Release(1)
		}
		if err == nil {
			failures = 0
			continue
		}
		failures++
		r.Logger.ErrorContext(ctx, "receive failed", "error", err, "failures", failures)
		if !sleep(ctx, r.Backoff(failures)) {
			return
		}
	}
}

// receive receives one batch with a long poll.
func (r *queueRun) receive(ctx, work context.Context) ([]message, error) {
	if !r.CancelPolls {
		ctx = work
	}
	out, err := r.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    r.url,
		MaxNumberOfMessages:         int32(r.BatchSize),
		WaitTimeSeconds:             int32(r.longPoll() / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	return newMessages(out.Messages, r.QueueARN, r.region), nil
}

// longPoll is how long a poll waits for a first message. A poll that is not
// canceled must finish within the DrainLimit.
func (r *queueRun) longPoll() time.Duration {
	if r.CancelPolls {
		return longPoll
	}
	return min(max(r.DrainLimit.Truncate(time.Second), time.Second), longPoll)
}

// handle invokes the function with a batch, in parts if it is over the payload
// limit. received is when the batch was received. In a FIFO queue a part
// contains no message of a group that failed in an earlier part, which keeps
// the order of the group.
func (r *queueRun) handle(work context.Context, batch []message, received time.Time) {
	if r.fifo {
		names := groupNames(batch)
		r.groups.lock(names)
		defer r.groups.unlock(names)
	}
	until := received.Add(r.visibility)
	failedGroups := make(map[string]bool)
	for rest := batch; len(rest) > 0; {
		if work.Err() != nil {
			r.makeVisible(work, rest)
			return
		}
		n := fitting(rest, message.size)
		if needed := r.partTime(n < len(rest)); time.Until(until) < needed {
			until = time.Now().Add(max(r.visibility, r.partTime(true)))
			rest = r.without(rest, r.extend(work, rest, time.Until(until)), failedGroups)
			n = fitting(rest, message.size)
		}
		part := rest[:n:n]
		rest = rest[n:]
		if len(part) == 0 {
			return
		}
		failed := r.invoke(work, part)
		done := part
		if len(failed) > 0 {
			done = nil
			for i, m := range part {
				if failed[i] {
					failedGroups[m.group()] = true
				} else {
					done = append(done, m)
				}
			}
		}
		r.delete(work, done)
		if r.fifo {
			rest = slices.DeleteFunc(rest, func(m message) bool { return failedGroups[m.group()] })
		}
	}
}

// partTime is how long messages must stay invisible when a part of a batch is
// invoked. more reports that other parts wait.
func (r *queueRun) partTime(more bool) time.Duration {
	if more {
		return r.Timeout + partMargin
	}
	return r.Timeout
}

// invoke invokes the function with one event and returns the positions of the
// messages that failed.
func (r *queueRun) invoke(ctx context.Context, part []message) map[int]bool {
	out := r.invoker.invoke(ctx, event(part, message.json))
	switch {
	case errors.Is(out.err, errDrained):
		if out.running {
			r.addLeft(part) // they stay invisible while the function has them
		} else {
			r.makeVisible(ctx, part)
		}
		return all(len(part))
	case out.err != nil:
		r.invoker.logFailure(ctx, out, len(part))
		r.slow.failed()
		return all(len(part))
	}
	r.slow.worked()
	if !r.ReportBatchItemFailures || isSuccess(out.response) {
		return nil
	}
	ids := make([]string, len(part))
	for i, m := range part {
		ids[i] = m.id()
	}
	o := readResponse(out.response, ids)
	if o.err != nil {
		r.Logger.ErrorContext(ctx, "the response fails the whole batch", "requestId", out.requestID, "error", o.err, "records", len(part))
		return all(len(part))
	}
	return o.failed
}

func (r *queueRun) addNotStarted(messages []message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notStarted = append(r.notStarted, messages...)
}

func (r *queueRun) addLeft(messages []message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		r.left = append(r.left, m.id())
	}
}

func all(n int) map[int]bool {
	m := make(map[int]bool, n)
	for i := range n {
		m[i] = true
	}
	return m
}
