package sqstest

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func redrive(arn string, max any) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%v}`, arn, max)
}

// withDead creates a queue whose messages move to a dead-letter queue after max
// receives.
func (t *T) withDead(max int, kv ...string) (url, dead string) {
	dead = t.queue()
	return t.queue(append([]string{"RedrivePolicy", redrive(t.arn(dead), max), "VisibilityTimeout", "0"}, kv...)...), dead
}

// sendDead sends a message and makes it move to the dead-letter queue of a queue
// with a maxReceiveCount of one.
func (t *T) sendDead(url, body string) {
	t.send(url, body)
	t.one(url, body)
	t.none(url)
}

func (t *T) moves(arn string) []types.ListMessageMoveTasksResultEntry {
	t.Helper()
	out, err := t.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn, MaxResults: aws.Int32(10)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Results
}

// moved waits until the newest move task of a queue has ended.
func (t *T) moved(arn string) types.ListMessageMoveTasksResultEntry {
	t.Helper()
	for range 100 {
		if ms := t.moves(arn); len(ms) > 0 && *ms[0].Status != "RUNNING" {
			return ms[0]
		}
		t.sleep(100 * time.Millisecond)
	}
	t.Fatal("the move task did not end in 10 s")
	panic("unreachable")
}

var deadLetterCases = []Case{
	{
		Name: "dead letters",
		Rule: "A message moves to the dead-letter queue at the receive after maxReceiveCount; it keeps its id, attributes, age and receive count.",
		Check: func(t *T) {
			url, dead := t.withDead(2)
			sent := t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"a": str("b")}})
			before := t.one(url, "x")
			t.one(url, "x")
			t.none(dead)
			t.sleep(20 * time.Millisecond)
			t.none(url)
			m := t.one(dead, "x")
			if *m.MessageId != *sent.MessageId {
				t.Errorf("MessageId: got %s, want %s", *m.MessageId, *sent.MessageId)
			}
			if got, want := m.Attributes["SentTimestamp"], before.Attributes["SentTimestamp"]; got != want {
				t.Errorf("SentTimestamp: got %s, want %s", got, want)
			}
			if got, want := m.Attributes["DeadLetterQueueSourceArn"], t.arn(url); got != want {
				t.Errorf("DeadLetterQueueSourceArn: got %s, want %s", got, want)
			}
			if got := m.Attributes["ApproximateReceiveCount"]; got != "3" {
				t.Errorf("ApproximateReceiveCount: got %s, want 3", got)
			}
			if len(m.MessageAttributes) != 1 {
				t.Errorf("attributes: got %v", m.MessageAttributes)
			}
			t.wantCounts(url, 0, 0, 0)
		},
	},
	{
		Name: "a receive that moves dead letters still delivers",
		Rule: "A receive that moves messages to the dead-letter queue delivers others in the same call.",
		Check: func(t *T) {
			url, dead := t.withDead(1, "VisibilityTimeout", "1")
			t.send(url, "bad")
			t.one(url, "bad")
			t.sleep(1100 * time.Millisecond)
			t.send(url, "good")
			t.one(url, "good")
			t.one(dead, "bad")
		},
	},
	{
		Name: "a dead letter ends a long poll",
		Rule: "A long poll on the dead-letter queue returns a message when it moves there.",
		Check: func(t *T) {
			url, dead := t.withDead(1)
			done := t.longPoll(dead)
			start := time.Now()
			t.sendDead(url, "x")
			if ms := <-done; len(ms) != 1 || time.Since(start) > time.Second {
				t.Errorf("got %v after %v", bodies(ms), time.Since(start))
			}
		},
	},
	{
		Name: "redrive policy",
		Rule: "A redrive policy names an existing queue of the same type and 1 to 1000 receives; an empty one removes it.",
		Check: func(t *T) {
			dead, fifo := t.queue(), t.fifo()
			url := t.queue()
			set := func(policy string) error {
				_, err := t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs("RedrivePolicy", policy)})
				return err
			}
			arn := t.arn(dead)
			for what, policy := range map[string]string{
				"not JSON": "x", "no target": `{"maxReceiveCount":1}`, "no count": fmt.Sprintf(`{"deadLetterTargetArn":%q}`, arn),
				"count 0": redrive(arn, 0), "count 1001": redrive(arn, 1001), "no such queue": redrive(arn+"-no", 1), "FIFO": redrive(t.arn(fifo), 1),
			} {
				if set(policy) == nil {
					t.Errorf("%s: the policy is accepted", what)
				}
			}
			if got := t.attributes(url)["RedrivePolicy"]; got != "" {
				t.Errorf("after refusals: got %s", got)
			}
			for _, count := range []any{5, `"5"`} {
				if err := set(redrive(arn, count)); err != nil {
					t.Errorf("count %v: %v", count, err)
				}
				if got, want := t.attributes(url)["RedrivePolicy"], redrive(arn, 5); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			out, err := t.ListDeadLetterSourceQueues(t.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dead})
			if err != nil || len(out.QueueUrls) != 1 || out.QueueUrls[0] != url {
				t.Errorf("sources: got %v, %v, want %s", out, err, url)
			}
			if err := set(""); err != nil || t.attributes(url)["RedrivePolicy"] != "" {
				t.Errorf("removed: %v, got %v", err, t.attributes(url))
			}
		},
	},
	{
		Name: "FIFO dead letters",
		Rule: "A dead letter of a FIFO queue no longer blocks its group, and keeps its group in the dead-letter queue.",
		Check: func(t *T) {
			dead := t.fifo()
			url := t.fifo("RedrivePolicy", redrive(t.arn(dead), 1), "VisibilityTimeout", "1")
			t.sendTo(url, "g", "1", "1")
			t.sendTo(url, "g", "2", "2")
			t.receive(url, 1)
			t.sleep(1100 * time.Millisecond)
			t.wantBodies(url, "2")
			if m := t.one(dead, "1"); m.Attributes["MessageGroupId"] != "g" {
				t.Errorf("got %v", m.Attributes)
			}
		},
	},
	{
		Name: "redrive to the source",
		Rule: "A move task without a destination returns each message to its source queue as a new message.",
		Check: func(t *T) {
			dead := t.queue()
			var urls []string
			for range 2 {
				urls = append(urls, t.queue("RedrivePolicy", redrive(t.arn(dead), 1), "VisibilityTimeout", "0"))
			}
			arn := t.arn(dead)
			old := t.send(urls[0], "a")
			t.one(urls[0], "a")
			t.none(urls[0])
			t.sendDead(urls[1], "b")
			t.wantCounts(dead, 2, 0, 0)
			if _, err := t.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn}); err != nil {
				t.Fatal(err)
			}
			if got := t.moved(arn); *got.Status != "COMPLETED" || got.ApproximateNumberOfMessagesMoved != 2 {
				t.Errorf("got %s, %d moved, want COMPLETED, 2", *got.Status, got.ApproximateNumberOfMessagesMoved)
			}
			m := t.one(urls[0], "a")
			if *m.MessageId == *old.MessageId || m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["DeadLetterQueueSourceArn"] != "" {
				t.Errorf("got id %s (it was %s), %v, want a new message", *m.MessageId, *old.MessageId, m.Attributes)
			}
			t.one(urls[1], "b")
			t.wantCounts(dead, 0, 0, 0)
		},
	},
	{
		Name: "redrive to a destination",
		Rule: "A move task with a destination and a rate moves at most that many messages a second; only one runs for a queue, and it can be cancelled.",
		Check: func(t *T) {
			url, dead := t.withDead(1)
			dest := t.queue()
			arn, destARN := t.arn(dead), t.arn(dest)
			for i := range 4 {
				t.sendDead(url, fmt.Sprint(i))
			}
			start := &sqs.StartMessageMoveTaskInput{SourceArn: &arn, DestinationArn: &destARN, MaxNumberOfMessagesPerSecond: aws.Int32(1)}
			out, err := t.StartMessageMoveTask(t.Context(), start)
			if err != nil {
				t.Fatal(err)
			}
			_, err = t.StartMessageMoveTask(t.Context(), start)
			wantCode(t, "a second task", err, "InvalidParameterValue")
			t.sleep(1500 * time.Millisecond)
			if ms := t.moves(arn); len(ms) != 1 || *ms[0].Status != "RUNNING" || aws.ToString(ms[0].TaskHandle) != *out.TaskHandle || aws.ToInt64(ms[0].ApproximateNumberOfMessagesToMove) != 4 {
				t.Fatalf("got %v, want one running task for 4 messages", ms)
			}
			stop, err := t.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: out.TaskHandle})
			if err != nil || stop.ApproximateNumberOfMessagesMoved < 1 || stop.ApproximateNumberOfMessagesMoved > 3 {
				t.Errorf("cancelled: got %v, %v, want 1 to 3 moved", stop, err)
			}
			if got := t.moved(arn); *got.Status != "CANCELLED" {
				t.Errorf("got %s", *got.Status)
			}
			n := int(stop.ApproximateNumberOfMessagesMoved)
			t.wantCounts(dest, n, 0, 0)
			t.wantCounts(dead, 4-n, 0, 0)
		},
	},
	{
		Name: "redrive refused",
		Rule: "The source must be a dead-letter queue and the destination must exist; a message that was sent to the dead-letter queue directly has no source.",
		Check: func(t *T) {
			url, dead := t.withDead(1)
			arn, no := t.arn(url), t.arn(url)+"-no"
			_, err := t.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
			wantCode(t, "no dead-letter queue", err, "InvalidParameterValue")
			_, err = t.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &no})
			wantError[*types.ResourceNotFoundException](t, "no queue", err)
			arn = t.arn(dead)
			_, err = t.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn, DestinationArn: &no})
			wantError[*types.ResourceNotFoundException](t, "no destination", err)
			t.send(dead, "by hand")
			if _, err = t.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn}); err != nil {
				t.Fatal(err)
			}
			if got := t.moved(arn); *got.Status != "FAILED" || aws.ToString(got.FailureReason) == "" {
				t.Errorf("got %v, want FAILED with a reason", *got.Status)
			}
			t.wantCounts(dead, 1, 0, 0)
		},
	},
}
