package sqstest

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var visibilityCases = []Case{
	{
		Name: "visibility timeout",
		Rule: "A received message is invisible for the queue's visibility timeout and is then received again.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "2")
			t.send(url, "x")
			t.one(url, "x")
			t.wantCounts(url, 0, 1, 0)
			t.sleep(1500 * time.Millisecond)
			t.none(url)
			t.sleep(600 * time.Millisecond)
			t.wantCounts(url, 1, 0, 0)
			t.one(url, "x")
		},
	},
	{
		Name: "visibility of a receive",
		Rule: "The visibility timeout of a receive overrides the queue's.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "30")
			t.send(url, "x")
			t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 1})
			t.none(url)
			t.sleep(1100 * time.Millisecond)
			t.one(url, "x")
		},
	},
	{
		Name: "change visibility",
		Rule: "ChangeMessageVisibility sets a longer or shorter timeout from now, and zero makes the message visible at once.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "1")
			t.send(url, "x")
			m := t.one(url, "x")
			if err := t.hide(url, m, 3); err != nil {
				t.Fatal(err)
			}
			t.sleep(2 * time.Second)
			t.none(url)
			if err := t.hide(url, m, 1); err != nil {
				t.Fatal(err)
			}
			t.sleep(1100 * time.Millisecond)
			m = t.one(url, "x")
			if err := t.hide(url, m, 0); err != nil {
				t.Fatal(err)
			}
			t.one(url, "x")
		},
	},
	{
		Name: "a visibility change ends a long poll",
		Rule: "A long poll returns a message when it is made visible.",
		Check: func(t *T) {
			url := t.queue()
			t.send(url, "x")
			m := t.one(url, "x")
			done := t.longPoll(url)
			start := time.Now()
			if err := t.hide(url, m, 0); err != nil {
				t.Fatal(err)
			}
			if ms := <-done; len(ms) != 1 || time.Since(start) > time.Second {
				t.Errorf("got %v after %v", bodies(ms), time.Since(start))
			}
		},
	},
	{
		Name: "visibility ends 12 hours after the receive",
		Rule: "A change that would hide a message for longer than 12 hours after its receive is refused, not cut.",
		Check: func(t *T) {
			url := t.queue()
			t.send(url, "x")
			m := t.one(url, "x")
			wantCode(t, "over 12 hours at once", t.hide(url, m, 43201), "InvalidParameterValue")
			t.sleep(2 * time.Second)
			wantCode(t, "12 hours after two seconds", t.hide(url, m, 43200), "InvalidParameterValue")
			if err := t.hide(url, m, 43100); err != nil {
				t.Errorf("43100 seconds: %v", err)
			}
			t.none(url)
		},
	},
	{
		Name: "repeated visibility changes",
		Rule: "Repeated changes hide a message for up to 12 hours.",
		Check: func(t *T) {
			url := t.queue()
			t.send(url, "x")
			m := t.one(url, "x")
			for range 11 {
				if err := t.hide(url, m, 3660); err != nil {
					t.Fatal(err)
				}
				t.sleep(time.Hour)
				t.none(url)
			}
			if err := t.hide(url, m, 3599); err != nil {
				t.Fatal(err)
			}
			wantCode(t, "past 12 hours", t.hide(url, m, 3660), "InvalidParameterValue")
			t.sleep(time.Hour)
			t.one(url, "x")
		},
	},
	{
		Name: "old receipt handle",
		Rule: "After a second receive, the first receipt handle neither deletes nor hides the message, although the delete succeeds.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "1")
			t.send(url, "x")
			old := t.one(url, "x")
			t.sleep(1100 * time.Millisecond)
			m := t.one(url, "x")
			if *old.ReceiptHandle == *m.ReceiptHandle {
				t.Error("both receives have the same handle")
			}
			t.delete(url, old)
			wantCode(t, "hide with the old handle", t.hide(url, old, 10), "InvalidParameterValue")
			t.sleep(1100 * time.Millisecond)
			m = t.one(url, "x")
			t.delete(url, m)
			t.sleep(1100 * time.Millisecond)
			t.none(url)
		},
	},
	{
		Name: "delete after the timeout",
		Rule: "On a standard queue the handle of the last receive deletes the message even after its visibility timeout, and a second delete succeeds.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "1")
			t.send(url, "x")
			m := t.one(url, "x")
			t.sleep(1100 * time.Millisecond)
			t.delete(url, m)
			t.none(url)
			t.delete(url, m)
			t.wantCounts(url, 0, 0, 0)
		},
	},
	{
		Name: "change visibility after the timeout",
		Rule: "A change after the visibility timeout does not hide the message: it is MessageNotInflight, or has no effect.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "1")
			t.send(url, "x")
			m := t.one(url, "x")
			t.sleep(1100 * time.Millisecond)
			if err := t.hide(url, m, 20); err != nil {
				wantError[*types.MessageNotInflight](t, "after the timeout", err)
			}
			m = t.one(url, "x")
			if err := t.hide(url, m, 0); err != nil {
				t.Fatal(err)
			}
			if err := t.hide(url, m, 20); err != nil {
				wantError[*types.MessageNotInflight](t, "after it was given back", err)
			}
			t.one(url, "x")
		},
	},
	{
		Name: "change visibility of a deleted message",
		Rule: "A visibility change of a deleted message fails.",
		Check: func(t *T) {
			url := t.queue()
			t.send(url, "x")
			m := t.one(url, "x")
			t.delete(url, m)
			wantCode(t, "deleted", t.hide(url, m, 10), "InvalidParameterValue")
		},
	},
	{
		Name: "invalid receipt handle",
		Rule: "An invalid receipt handle, or that of another queue, is ReceiptHandleIsInvalid.",
		Check: func(t *T) {
			url, other := t.queue(), t.queue()
			t.send(other, "x")
			m := t.one(other, "x")
			for what, h := range map[string]*string{"nonsense": aws.String("nonsense"), "another queue's": m.ReceiptHandle} {
				_, err := t.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: h})
				wantError[*types.ReceiptHandleIsInvalid](t, "delete with "+what, err)
				err = t.hide(url, types.Message{ReceiptHandle: h}, 1)
				wantError[*types.ReceiptHandleIsInvalid](t, "hide with "+what, err)
			}
		},
	},
}
