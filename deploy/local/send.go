package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/local/admin"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// send sends a message and prints the job's outcome, the records it changed, and
// the notifications that follow. It does not wait for other work of the stack.
func (c *command) send(ctx context.Context, s *admin.Client, typ, data string) error {
	if !json.Valid([]byte(data)) {
		return fmt.Errorf("data of message %q: got %s, want JSON", typ, data)
	}
	m, err := pipeline.NewMessage(ctx, typ, "", json.RawMessage(data))
	if err != nil {
		return err
	}
	m.Source, m.Time = "sluice/local", time.Now().UTC()
	queue := schema.QueueOf(typ)
	before, err := s.Changes(ctx, "now")
	if err != nil {
		return err
	}
	q, err := s.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		return err
	}
	if err := (sqsqueue.Queue{Client: s.SQS, URL: *q.QueueUrl}).Send(ctx, m); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "queued  %s %s on %s\n", m.Type, m.ID, queue)
	failed := c.printOutcome(ctx, s, m.ID, c.stdout)
	return errors.Join(failed, c.printChanges(ctx, s, before.Last, func(change admin.Change) bool { return change.New["cause"] == m.ID }))
}

// printOutcome waits until the message is done or a dead letter. It prints
// failures to stdout, and success to done.
func (c *command) printOutcome(ctx context.Context, s *admin.Client, id string, done io.Writer) error {
	shown := 0
	for deadline := time.Now().Add(c.wait); time.Now().Before(deadline); {
		out, err := s.Outcome(ctx, id)
		if err != nil && !errors.Is(err, admin.ErrUnknown) {
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
		deadLetters, err := s.DeadLetters(ctx)
		if err != nil {
			return err
		}
		for _, l := range deadLetters {
			if l.Cause == id {
				fmt.Fprintf(c.stdout, "failed  dead letter in %s after %s attempt(s): %s\n", l.Queue, l.Attempts, l.Reason)
				return errItemsFailed
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("message %s: %w (%v)", id, errNoNews, c.wait)
}

// printChanges prints those changes after a position that ours selects, and what
// follows from them: the changes by their jobs, and notifications. The first
// change has been made when it is called.
func (c *command) printChanges(ctx context.Context, s *admin.Client, after string, ours func(admin.Change) bool) error {
	var notifications []notify.Notification
	var problems []error
	for {
		now, err := s.Changes(ctx, "now")
		if err != nil {
			return err
		}
		var jobs []string
		for after < now.Last {
			page, err := s.Changes(ctx, after)
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
				notifications = append(notifications, change.Notifications...)
				jobs = append(jobs, change.Jobs...)
			}
		}
		if len(jobs) == 0 {
			break
		}
		for _, id := range jobs { // a job's changes are in the feed when it is done
			problems = append(problems, c.printOutcome(ctx, s, id, io.Discard))
		}
	}
	problems = append(problems, c.printNotifications(ctx, s, notifications))
	return errors.Join(problems...)
}

// printNotifications waits until each notification is sent or a dead letter.
func (c *command) printNotifications(ctx context.Context, s *admin.Client, notifications []notify.Notification) error {
	var problem error
	for _, n := range notifications {
		state := "sent"
		if err := c.awaitSent(ctx, s, n.ID); err != nil {
			state, problem = "not sent: "+err.Error(), errItemsFailed
		}
		fmt.Fprintf(c.stdout, "notify  %s to %s: %q, %s\n", n.Channel, n.To, n.Subject, state)
	}
	return problem
}

func (c *command) awaitSent(ctx context.Context, s *admin.Client, id string) error {
	for deadline := time.Now().Add(c.wait); ; {
		sent, err := s.Sent(ctx, []string{id})
		if err != nil || sent[id] {
			return err
		}
		deadLetters, err := s.DeadLetters(ctx)
		if err != nil {
			return err
		}
		for _, l := range deadLetters {
			if l.Cause == id {
				return errors.New(l.Reason)
			}
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%w (%v)", errNoNews, c.wait), whereStuck(ctx, s))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func orNone(status any) any {
	if status == nil {
		return "(none)"
	}
	return status
}
