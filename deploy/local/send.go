package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// send queues a message and prints what came of it: the job's outcome, the
// records it changed, and the notifications that followed. What others do in the
// home meanwhile is not waited for.
func (c *command) send(ctx context.Context, h *remote, typ, data string) error {
	if !json.Valid([]byte(data)) {
		return fmt.Errorf("data of message %q is not JSON: %s", typ, data)
	}
	m, err := pipeline.NewMessage(ctx, typ, "", json.RawMessage(data))
	if err != nil {
		return err
	}
	m.Source, m.Time = "sluice/local", time.Now().UTC()
	queue := schema.QueueOf(typ)
	before, err := h.changes(ctx, "now")
	if err != nil {
		return err
	}
	q, err := h.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		return err
	}
	if err := (sqsqueue.Queue{Client: h.SQS, URL: *q.QueueUrl}).Send(ctx, m); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "queued  %s %s on %s\n", m.Type, m.ID, queue)
	failed := c.printOutcome(ctx, h, m.ID, c.stdout)
	return errors.Join(failed, c.printChanges(ctx, h, before.Last, func(change seenChange) bool { return change.New["cause"] == m.ID }))
}

// printOutcome waits for the message to be done, or to become a dead letter. That
// it is done is said to done.
func (c *command) printOutcome(ctx context.Context, h *remote, id string, done io.Writer) error {
	shown := 0
	for deadline := time.Now().Add(c.wait); time.Now().Before(deadline); {
		out, err := h.outcome(ctx, id)
		if err != nil && !errors.Is(err, errUnknown) {
			return err
		}
		if err == nil && out.Error == "" {
			fmt.Fprintf(done, "done    attempt %d\n", out.Attempt)
			return nil
		}
		if err == nil && out.Attempt > shown {
			shown = out.Attempt
			fmt.Fprintf(c.stdout, "failed  attempt %d: %s\n", out.Attempt, out.Error)
		}
		letters, err := h.letters(ctx)
		if err != nil {
			return err
		}
		for _, l := range letters {
			if l.Cause == id {
				fmt.Fprintf(c.stdout, "letter  in %s after %s attempt(s): %s\n", l.Queue, l.Attempts, l.Reason)
				return errRejected
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("message %s: %w (%v)", id, errNoNews, c.wait)
}

// setStatus changes a record's status and prints what followed.
func (c *command) setStatus(ctx context.Context, h *remote, key, status string) error {
	before, err := h.changes(ctx, "now")
	if err != nil {
		return err
	}
	done, err := h.setStatus(ctx, key, status)
	if err != nil {
		return err
	}
	if done.From == done.To {
		fmt.Fprintf(c.stdout, "record  %s is %s already\n", done.Key, done.To)
		return nil
	}
	return c.printChanges(ctx, h, before.Last, func(change seenChange) bool { return change.Key == key })
}

// printChanges prints the changes since a position that are ours, with what
// follows from them: jobs, whose changes are ours as well, and notifications. It
// is called when the first change has been made.
func (c *command) printChanges(ctx context.Context, h *remote, after string, ours func(seenChange) bool) error {
	var told []notify.Notification
	var problems []error
	for {
		now, err := h.changes(ctx, "now")
		if err != nil {
			return err
		}
		var jobs []string
		for after < now.Last {
			page, err := h.changes(ctx, after)
			if err != nil {
				return err
			}
			after = page.Last
			for _, change := range page.Changes {
				if !ours(change) {
					continue
				}
				from, to := orNone(change.Old["status"]), orNone(change.New["status"])
				fmt.Fprintf(c.stdout, "record  %s: %s -> %s\n", change.Key, from, to)
				told, jobs = append(told, change.Notifications...), append(jobs, change.Jobs...)
			}
		}
		if len(jobs) == 0 {
			break
		}
		for _, id := range jobs { // what they change stands in the feed when they are done
			problems = append(problems, c.printOutcome(ctx, h, id, io.Discard))
		}
	}
	problems = append(problems, c.printNotifications(ctx, h, told))
	return errors.Join(problems...)
}

// printNotifications waits until they are sent, or became dead letters.
func (c *command) printNotifications(ctx context.Context, h *remote, told []notify.Notification) error {
	var problem error
	for _, n := range told {
		state := "sent"
		if err := c.awaitSent(ctx, h, n.ID); err != nil {
			state, problem = "not sent: "+err.Error(), errRejected
		}
		fmt.Fprintf(c.stdout, "notify  %s to %s: %q, %s\n", n.Channel, n.To, n.Subject, state)
	}
	return problem
}

func (c *command) awaitSent(ctx context.Context, h *remote, id string) error {
	for deadline := time.Now().Add(c.wait); ; {
		sent, err := h.sent(ctx, []string{id})
		if err != nil || sent[id] {
			return err
		}
		letters, err := h.letters(ctx)
		if err != nil {
			return err
		}
		for _, l := range letters {
			if l.Cause == id {
				return errors.New(l.Reason)
			}
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%w (%v)", errNoNews, c.wait), h.whereStuck(ctx))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// settle waits until nothing is on its way.
func (h *remote) settle(ctx context.Context, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		idle, err := h.idle(ctx)
		if err != nil || idle.Idle {
			return err
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%w (%v)", errNoNews, patience), h.whereStuck(ctx))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause waits between two looks at the home.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func orNone(status any) any {
	if status == nil {
		return "(none)"
	}
	return status
}
