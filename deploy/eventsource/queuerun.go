package eventsource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// queueRun is one run of a QueueMapping.
type queueRun struct {
	QueueMapping
	region  string
	fifo    bool
	filters filters
	invoker *invoker
	slots   chan struct{} // one element for each batch that is gathered or invoked
	slow    *slowdown
	groups  *groups
	url     *string
	// visibility is the queue's: how long a message stays invisible after its receive.
	visibility time.Duration

	running sync.WaitGroup
	mu      sync.Mutex
	held    []message // what the polls brought that were open when the drain began
	left    []string  // ids of messages that the drain left behind
}

func (r *queueRun) run(ctx context.Context) error {
	ctx, work, stop := drainable(ctx, r.DrainLimit)
	defer stop()
	var pollers sync.WaitGroup
	n := min(maxPollers, r.MaxConcurrency)
	if r.Window > 0 {
		n = 1 // so that batches fill: two that gather at the same time would share the messages
	}
	for range n {
		pollers.Go(func() { r.poll(ctx, work) })
	}
	pollers.Wait()
	r.giveBack(work, r.held) // not earlier: a poll that is still open would receive it again
	r.running.Wait()
	if len(r.left) > 0 {
		return &LeftError{Source: r.QueueARN, After: r.DrainLimit, IDs: r.left}
	}
	return nil
}

// LeftError says what a mapping left behind when its drain limit was over. Nothing is lost: a queue gives the messages again
// when their visibility ends, a feed reads again from its checkpoint.
type LeftError struct {
	Source string        // ARN
	After  time.Duration // the drain limit
	// IDs are the message ids, or sequence numbers, of the records in invocations that still ran, and of the messages
	// of which the queue could not be told what became.
	IDs []string
}

func (e *LeftError) Error() string {
	shown := e.IDs[:min(len(e.IDs), 10)]
	return fmt.Sprintf("drain %q: %d records not settled after %v will come again: %q", e.Source, len(e.IDs), e.After, shown)
}

// partMargin is how long the settling of one part may take while others wait.
const partMargin = 10 * time.Second

// poll gathers batches and starts their invocations until ctx ends. A slot is taken before messages are, so that no message
// waits here with its visibility running.
func (r *queueRun) poll(ctx, work context.Context) {
	for failures := 0; ; {
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if !r.slow.wait(ctx) || !r.invoker.admit(ctx) {
			<-r.slots
			return
		}
		batch, received, err := r.gather(ctx, work)
		switch {
		case ctx.Err() != nil:
			r.hold(batch)
			<-r.slots
			return
		case len(batch) > 0:
			r.running.Go(func() {
				defer func() { <-r.slots }()
				r.handle(work, batch, received)
			})
		default:
			<-r.slots
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

// handle invokes the function with a batch that was received at a time, in parts when it is over the payload limit. In a FIFO
// queue a part holds no message of a group that failed in an earlier part: it must not overtake.
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
			r.giveBack(work, rest)
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

// partTime is how long messages must stay invisible when a part of a batch is invoked, and when more of it wait behind.
func (r *queueRun) partTime(more bool) time.Duration {
	if more {
		return r.Timeout + partMargin
	}
	return r.Timeout
}

// invoke calls the function with one event and returns the positions of the messages that failed.
func (r *queueRun) invoke(ctx context.Context, part []message) map[int]bool {
	out := r.invoker.call(ctx, event(part, message.json))
	switch {
	case errors.Is(out.err, errDrained):
		r.drained(ctx, part, out)
		return all(len(part))
	case out.err != nil:
		r.invoker.logFailure(ctx, out, len(part))
		r.slow.failed()
		return all(len(part))
	}
	r.slow.worked()
	if !r.ReportBatchItemFailures || isSuccess(out.answer) {
		return nil
	}
	ids := make([]string, len(part))
	for i, m := range part {
		ids[i] = m.id()
	}
	v := readAnswer(out.answer, ids)
	if v.whole != nil {
		r.Logger.ErrorContext(ctx, "the answer fails its whole batch", "requestId", out.requestID, "error", v.whole, "records", len(part))
		return all(len(part))
	}
	return v.failed
}

// drained deals with messages of an invocation that the drain limit cut short: given back when the function returned,
// left invisible and reported while it still runs.
func (r *queueRun) drained(ctx context.Context, part []message, out result) {
	if !out.running {
		r.giveBack(ctx, part)
		return
	}
	r.addLeft(part)
}

func (r *queueRun) hold(messages []message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = append(r.held, messages...)
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

// groups keeps two batches of one message group from running at the same time. SQS keeps them apart by itself as long as
// messages are invisible; this holds when a visibility ended early.
type groups struct {
	mu   sync.Mutex
	free *sync.Cond
	busy map[string]bool
}

func newGroups() *groups {
	g := &groups{busy: make(map[string]bool)}
	g.free = sync.NewCond(&g.mu)
	return g
}

func groupNames(batch []message) []string {
	var names []string
	for _, m := range batch {
		if !slices.Contains(names, m.group()) {
			names = append(names, m.group())
		}
	}
	return names
}

// lock waits until all names are free and takes them in one step.
func (g *groups) lock(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for slices.ContainsFunc(names, func(n string) bool { return g.busy[n] }) {
		g.free.Wait()
	}
	for _, n := range names {
		g.busy[n] = true
	}
}

func (g *groups) unlock(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range names {
		delete(g.busy, n)
	}
	g.free.Broadcast()
}
