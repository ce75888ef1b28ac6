package sqstest

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var fifoCases = []Case{
	{
		Name: "order in a group",
		Rule: "Messages of a group arrive in the order in which they were sent, several in one receive, with rising sequence numbers.",
		Check: func(t *T) {
			url := t.fifo()
			last := ""
			for i := range 12 {
				out := t.sendTo(url, "g", fmt.Sprint("d", i), fmt.Sprint(i))
				if seq := aws.ToString(out.SequenceNumber); len(seq) != 20 || seq <= last {
					t.Errorf("SequenceNumber %q after %q", seq, last)
				} else {
					last = seq
				}
			}
			ms := t.wantBodies(url, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
			for i, m := range ms {
				if m.Attributes["MessageGroupId"] != "g" || m.Attributes["MessageDeduplicationId"] != fmt.Sprint("d", i) || m.Attributes["SequenceNumber"] == "" {
					t.Errorf("message %d: got %v", i, m.Attributes)
				}
				t.delete(url, m)
			}
			t.wantBodies(url, "10", "11")
		},
	},
	{
		Name: "a message in flight blocks its group",
		Rule: "While a message is in flight, later messages of its group wait, and those of other groups do not.",
		Check: func(t *T) {
			url := t.fifo()
			t.sendTo(url, "a", "1", "a1")
			t.sendTo(url, "a", "2", "a2")
			m := t.receive(url, 1)[0]
			t.none(url)
			t.sendTo(url, "b", "3", "b1")
			t.one(url, "b1")
			t.delete(url, m)
			t.one(url, "a2")
		},
	},
	{
		Name: "a group returns in order",
		Rule: "After the visibility timeout the group is received again from its first message on.",
		Check: func(t *T) {
			url := t.fifo("VisibilityTimeout", "1")
			for i := range 3 {
				t.sendTo(url, "g", fmt.Sprint(i), fmt.Sprint(i))
			}
			t.wantBodies(url, "0", "1", "2")
			t.sleep(1100 * time.Millisecond)
			ms := t.wantBodies(url, "0", "1", "2")
			t.delete(url, ms[1])
			t.sleep(1100 * time.Millisecond)
			t.wantBodies(url, "0", "2")
		},
	},
	{
		Name: "a longer visibility blocks later messages of the group",
		Rule: "The messages of a group before one that is in flight can be received, those behind it cannot.",
		Check: func(t *T) {
			for at, want := range map[int][]string{0: nil, 1: {"0"}, 2: {"0", "1"}} {
				url := t.fifo("VisibilityTimeout", "1")
				for i := range 3 {
					t.sendTo(url, "g", fmt.Sprint(i), fmt.Sprint(i))
				}
				ms := t.wantBodies(url, "0", "1", "2")
				if err := t.hide(url, ms[at], 4); err != nil {
					t.Fatal(err)
				}
				t.sleep(1500 * time.Millisecond)
				t.wantBodies(url, want...)
			}
		},
	},
	{
		Name: "deduplication id",
		Rule: "A message with a deduplication id of the last five minutes is accepted and not delivered, even if the first was deleted; later it is delivered.",
		Check: func(t *T) {
			url := t.fifo()
			first := t.sendTo(url, "g", "d", "x")
			again := t.sendTo(url, "g", "d", "y")
			if *again.MessageId != *first.MessageId {
				t.Errorf("the id of the duplicate: got %s, want %s", *again.MessageId, *first.MessageId)
			}
			t.delete(url, t.one(url, "x"))
			t.sendTo(url, "other-group", "d", "z")
			t.none(url)
			t.sleep(301 * time.Second)
			t.sendTo(url, "g", "d", "later")
			t.one(url, "later")
		},
	},
	{
		Name: "content-based deduplication",
		Rule: "With ContentBasedDeduplication the body determines the deduplication id, unless the message has one.",
		Check: func(t *T) {
			url := t.fifo("ContentBasedDeduplication", "true")
			t.sendTo(url, "g", "", "x")
			t.sendTo(url, "h", "", "x")
			t.sendTo(url, "g", "own", "x")
			t.sendTo(url, "g", "", "y")
			t.wantBodies(url, "x", "x", "y")
		},
	},
	{
		Name: "deduplication by group",
		Rule: "With DeduplicationScope messageGroup, deduplication ids of different groups are independent.",
		Check: func(t *T) {
			url := t.fifo("DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId")
			t.sendTo(url, "a", "d", "a1")
			t.sendTo(url, "b", "d", "b1")
			t.sendTo(url, "a", "d", "a2")
			if ms := t.receive(url, 10); len(ms) != 2 {
				t.Errorf("received %v, want a1 and b1", bodies(ms))
			}
		},
	},
	{
		Name: "required parameters of a FIFO message",
		Rule: "A FIFO message requires a group, and a deduplication id unless the queue derives it; a delay of its own is refused.",
		Check: func(t *T) {
			url := t.fifo()
			send := func(in sqs.SendMessageInput) error {
				in.QueueUrl, in.MessageBody = &url, aws.String("x")
				_, err := t.SendMessage(t.Context(), &in)
				return err
			}
			g, d := aws.String("g"), aws.String("d")
			wantCode(t, "no group", send(sqs.SendMessageInput{MessageDeduplicationId: d}), "MissingParameter")
			wantCode(t, "no id", send(sqs.SendMessageInput{MessageGroupId: g}), "InvalidParameterValue")
			wantCode(t, "delay", send(sqs.SendMessageInput{MessageGroupId: g, MessageDeduplicationId: d, DelaySeconds: 1}), "InvalidParameterValue")
			for _, bad := range []string{"", "a b", "ü", strings.Repeat("a", 129)} {
				wantCode(t, fmt.Sprintf("group %q", bad), send(sqs.SendMessageInput{MessageGroupId: &bad, MessageDeduplicationId: d}), "InvalidParameterValue")
				wantCode(t, fmt.Sprintf("id %q", bad), send(sqs.SendMessageInput{MessageGroupId: g, MessageDeduplicationId: &bad}), "InvalidParameterValue")
			}
			t.none(url)
		},
	},
	{
		Name: "the delay of a FIFO queue",
		Rule: "The delay of a FIFO queue applies to its messages and keeps their order.",
		Check: func(t *T) {
			url := t.fifo("DelaySeconds", "1")
			t.sendTo(url, "g", "1", "1")
			t.sendTo(url, "g", "2", "2")
			t.none(url)
			t.sleep(1100 * time.Millisecond)
			t.wantBodies(url, "1", "2")
		},
	},
	{
		Name: "an expired FIFO handle",
		Rule: "On a FIFO queue a receipt handle expires with the visibility timeout: the delete is refused, and the message is received again.",
		Check: func(t *T) {
			url := t.fifo("VisibilityTimeout", "1")
			t.sendTo(url, "g", "1", "x")
			m := t.one(url, "x")
			t.sleep(1100 * time.Millisecond)
			_, err := t.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			wantCode(t, "delete", err, "InvalidParameterValue")
			wantCode(t, "hide", t.hide(url, m, 10), "InvalidParameterValue")
			t.one(url, "x")
		},
	},
	{
		Name: "FIFO batch",
		Rule: "A batch keeps its order, and a batch without groups or ids is refused as a whole.",
		Check: func(t *T) {
			url := t.fifo()
			var entries []types.SendMessageBatchRequestEntry
			for i := range 5 {
				e := entry(fmt.Sprint(i), fmt.Sprint(i))
				e.MessageGroupId, e.MessageDeduplicationId = aws.String("g"), aws.String(fmt.Sprint(i))
				entries = append(entries, e)
			}
			if out, err := t.sendBatch(url, entries...); err != nil || len(out.Successful) != 5 {
				t.Fatalf("got %v, %v", out, err)
			}
			t.wantBodies(url, "0", "1", "2", "3", "4")
			e := entry("x", "x")
			e.MessageGroupId = aws.String("h")
			_, err := t.sendBatch(url, e)
			wantCode(t, "without an id", err, "InvalidParameterValue")
		},
	},
	{
		Name: "FIFO counts",
		Rule: "Messages that wait for their group count as visible, and only received ones as in flight.",
		Check: func(t *T) {
			url := t.fifo()
			for i := range 6 {
				t.sendTo(url, fmt.Sprint(i%3), fmt.Sprint(i), fmt.Sprint(i))
			}
			t.receive(url, 1)
			t.receive(url, 1)
			t.wantCounts(url, 4, 2, 0)
		},
	},
	{
		Name: "long poll on a FIFO queue",
		Rule: "A long poll returns the next message of a group as soon as the one before is deleted.",
		Check: func(t *T) {
			url := t.fifo()
			t.sendTo(url, "g", "1", "1")
			t.sendTo(url, "g", "2", "2")
			m := t.receive(url, 1)[0]
			done := t.longPoll(url)
			start := time.Now()
			t.delete(url, m)
			if ms := <-done; len(ms) != 1 || *ms[0].Body != "2" || time.Since(start) > time.Second {
				t.Errorf("got %v after %v", bodies(ms), time.Since(start))
			}
		},
	},
	{
		Name: "queue type is fixed",
		Rule: "The type of a queue cannot be changed.",
		Check: func(t *T) {
			url := t.fifo()
			_, err := t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs("FifoQueue", "false")})
			wantError[*types.InvalidAttributeValue](t, "to standard", err)
		},
	},
}
