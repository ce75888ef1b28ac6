package sqstest

import (
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var receiveCases = []Case{
	{
		Name: "number of messages",
		Rule: "A receive returns one message unless it asks for more, up to ten.",
		Check: func(t *T) {
			url := t.queue()
			for i := range 12 {
				t.send(url, fmt.Sprint(i))
			}
			out, err := t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
			if err != nil || len(out.Messages) != 1 {
				t.Errorf("without a number: got %v, %v, want one", out, err)
			}
			if got := len(t.receive(url, 10)); got != 10 {
				t.Errorf("asked for 10, got %d", got)
			}
			if got := len(t.receive(url, 10)); got != 1 {
				t.Errorf("asked for 10 where one is left, got %d", got)
			}
			for _, n := range []int32{-1, 11} {
				_, err := t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: n})
				wantCode(t, fmt.Sprint("asked for ", n), err, "InvalidParameterValue")
			}
		},
	},
	{
		Name: "receive parameters",
		Rule: "A wait is at most 20 seconds and a visibility timeout at most 12 hours.",
		Check: func(t *T) {
			url := t.queue()
			_, err := t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 21})
			wantCode(t, "21 seconds", err, "InvalidParameterValue")
			_, err = t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 43201})
			wantCode(t, "over 12 hours", err, "InvalidParameterValue")
		},
	},
	{
		Name: "long poll ends with a message",
		Rule: "A long poll returns a message as soon as one is sent.",
		Check: func(t *T) {
			url := t.queue()
			done := t.longPoll(url)
			start := time.Now()
			t.send(url, "x")
			if ms := <-done; len(ms) != 1 || time.Since(start) > time.Second {
				t.Errorf("got %v after %v, want the message at once", bodies(ms), time.Since(start))
			}
		},
	},
	{
		Name: "long poll ends without one",
		Rule: "A long poll without a message returns nothing and no error when its time is over; a short poll does so at once.",
		Check: func(t *T) {
			url := t.queue()
			t.mayNeed(2 * time.Second)
			for _, seconds := range []int32{0, 2} {
				start := time.Now()
				ms := t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: seconds})
				want := time.Duration(seconds) * time.Second
				if got := time.Since(start); len(ms) != 0 || got < want || got > want+time.Second {
					t.Errorf("wait of %d s: got %v after %v", seconds, bodies(ms), got)
				}
			}
		},
	},
	{
		Name: "default wait of the queue",
		Rule: "ReceiveMessageWaitTimeSeconds of the queue applies to receives without a wait time.",
		Check: func(t *T) {
			t.mayNeed(2 * time.Second)
			url := t.queue("ReceiveMessageWaitTimeSeconds", "2")
			start := time.Now()
			ms := t.receive(url, 1)
			if got := time.Since(start); len(ms) != 0 || got < 2*time.Second || got > 3*time.Second {
				t.Errorf("got %v after %v, want nothing after 2 s", bodies(ms), got)
			}
		},
	},
	{
		Name: "long poll sees a message become visible",
		Rule: "A long poll returns a delayed message, or one whose visibility timeout ends, at that time.",
		Check: func(t *T) {
			t.mayNeed(2 * time.Second)
			url := t.queue("VisibilityTimeout", "1")
			start := time.Now()
			t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 1})
			for i := 1; i <= 2; i++ {
				ms := t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 10})
				want := time.Duration(i) * time.Second
				if got := time.Since(start); len(ms) != 1 || got < want-50*time.Millisecond || got > want+time.Second {
					t.Errorf("receive %d: got %v after %v, want it after %v", i, bodies(ms), got, want)
				}
			}
		},
	},
	{
		Name: "many long polls",
		Rule: "With many long polls, every message is delivered at once, and to one of them.",
		Check: func(t *T) {
			url := t.queue()
			t.mayNeed(500 * time.Millisecond)
			const n = 10
			var mu sync.Mutex
			seen := map[string]int{}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					ms := t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5})
					mu.Lock()
					defer mu.Unlock()
					for _, m := range ms {
						seen[*m.Body]++
					}
				})
			}
			t.sleep(500 * time.Millisecond)
			start := time.Now()
			for i := range n {
				t.send(url, fmt.Sprint(i))
			}
			wg.Wait()
			if len(seen) != n || time.Since(start) > 2*time.Second {
				t.Errorf("got %v after %v, want each of %d messages once, at once", seen, time.Since(start), n)
			}
		},
	},
	{
		Name: "receive counts",
		Rule: "A message has its receive count and the time of its first receive.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "0")
			t.send(url, "x")
			first := ""
			for i := 1; i <= 3; i++ {
				m := t.one(url, "x")
				if m.Attributes["ApproximateReceiveCount"] != fmt.Sprint(i) {
					t.Errorf("receive %d: the count is %s", i, m.Attributes["ApproximateReceiveCount"])
				}
				at := m.Attributes["ApproximateFirstReceiveTimestamp"]
				if first == "" {
					first = at
				}
				if at == "" || at != first {
					t.Errorf("receive %d: first received at %q, want %q", i, at, first)
				}
				t.sleep(20 * time.Millisecond)
			}
		},
	},
	{
		Name: "every message is received once",
		Rule: "With many senders and receivers at once, every message is received and deleted once within its visibility timeout.",
		Check: func(t *T) {
			url := t.queue()
			const senders, each = 4, 25
			var wg sync.WaitGroup
			for i := range senders {
				wg.Go(func() {
					for j := range each {
						t.send(url, fmt.Sprint(i, "-", j))
					}
				})
			}
			var mu sync.Mutex
			seen := map[string]int{}
			for range 4 {
				wg.Go(func() {
					for {
						ms := t.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2})
						if len(ms) == 0 {
							return
						}
						var entries []types.DeleteMessageBatchRequestEntry
						mu.Lock()
						for i, m := range ms {
							seen[*m.Body]++
							entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
						}
						mu.Unlock()
						out, err := t.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
						if err != nil || len(out.Failed) > 0 {
							t.Errorf("delete: %v, %v", out, err)
						}
					}
				})
			}
			wg.Wait()
			for body, n := range seen {
				if n != 1 {
					t.Errorf("message %s was received %d times", body, n)
				}
			}
			if len(seen) != senders*each {
				t.Errorf("received %d messages, want %d", len(seen), senders*each)
			}
			t.wantCounts(url, 0, 0, 0)
		},
	},
}
