package sqstest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func entry(id, body string) types.SendMessageBatchRequestEntry {
	return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
}

func (t *T) sendBatch(url string, entries ...types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
	if entries == nil {
		entries = []types.SendMessageBatchRequestEntry{} // the SDK refuses nil
	}
	return t.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
}

var batchCases = []Case{
	{
		Name: "send batch",
		Rule: "A batch of ten is sent in order, and the result of each entry has its id, and the id and digest of its message.",
		Check: func(t *T) {
			url := t.queue()
			var entries []types.SendMessageBatchRequestEntry
			for i := range 10 {
				entries = append(entries, entry(fmt.Sprint("id_", i), fmt.Sprint(i)))
			}
			out, err := t.sendBatch(url, entries...)
			if err != nil || len(out.Successful) != 10 || len(out.Failed) != 0 {
				t.Fatalf("got %v, %v", out, err)
			}
			for i, s := range out.Successful {
				if *s.Id != fmt.Sprint("id_", i) || *s.MessageId == "" || *s.MD5OfMessageBody == "" {
					t.Errorf("entry %d: got %v", i, s)
				}
			}
			if ms := t.receive(url, 10); len(ms) != 10 {
				t.Errorf("received %v", bodies(ms))
			}
		},
	},
	{
		Name: "batches refused as a whole",
		Rule: "A batch without entries, with more than ten, or with repeated or invalid ids is refused as a whole.",
		Check: func(t *T) {
			url := t.queue()
			_, err := t.sendBatch(url)
			wantError[*types.EmptyBatchRequest](t, "no entries", err)
			var many []types.SendMessageBatchRequestEntry
			for i := range 11 {
				many = append(many, entry(fmt.Sprint(i), "x"))
			}
			_, err = t.sendBatch(url, many...)
			wantError[*types.TooManyEntriesInBatchRequest](t, "eleven", err)
			wantCode(t, "eleven", err, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
			_, err = t.sendBatch(url, entry("a", "x"), entry("a", "y"))
			wantError[*types.BatchEntryIdsNotDistinct](t, "ids repeat", err)
			for _, id := range []string{"", "a b", "a:b", strings.Repeat("a", 81)} {
				_, err = t.sendBatch(url, entry(id, "x"))
				wantError[*types.InvalidBatchEntryId](t, fmt.Sprintf("id %q", id), err)
			}
			t.none(url)
			_, err = t.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{}})
			wantError[*types.EmptyBatchRequest](t, "delete nothing", err)
		},
	},
	{
		Name: "batch size",
		Rule: "A batch has at most 1 MiB in total.",
		Check: func(t *T) {
			url := t.queue()
			half := strings.Repeat("x", mib/2)
			if _, err := t.sendBatch(url, entry("a", half), entry("b", half)); err != nil {
				t.Errorf("1 MiB: %v", err)
			}
			_, err := t.sendBatch(url, entry("a", half), entry("b", half+"x"))
			wantError[*types.BatchRequestTooLong](t, "one byte more", err)
			t.wantCounts(url, 2, 0, 0)
		},
	},
	{
		Name: "send batch with failed entries",
		Rule: "An entry that fails has an error, and the others are sent.",
		Check: func(t *T) {
			url := t.queue("MaximumMessageSize", "1024")
			late := entry("late", "x")
			late.DelaySeconds = 901
			out, err := t.sendBatch(url, entry("good", "good"), entry("bad", "\x00"), entry("long", strings.Repeat("x", 1025)), late)
			if err != nil || len(out.Successful) != 1 || len(out.Failed) != 3 {
				t.Fatalf("got %v, %v, want one sent and three refused", out, err)
			}
			codes := map[string]string{}
			for _, f := range out.Failed {
				codes[*f.Id] = *f.Code
				if !f.SenderFault || aws.ToString(f.Message) == "" {
					t.Errorf("%s: got %v, want the sender's fault and a message", *f.Id, f)
				}
			}
			if want := (map[string]string{"bad": "InvalidMessageContents", "long": "InvalidParameterValue", "late": "InvalidParameterValue"}); fmt.Sprint(codes) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", codes, want)
			}
			t.one(url, "good")
		},
	},
	{
		Name: "delete batch with failed entries",
		Rule: "In a batch of deletes each entry has its own outcome.",
		Check: func(t *T) {
			url := t.queue()
			t.send(url, "a")
			t.send(url, "b")
			ms := append(t.receive(url, 1), t.receive(url, 1)...)
			out, err := t.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String("a"), ReceiptHandle: ms[0].ReceiptHandle},
				{Id: aws.String("no"), ReceiptHandle: aws.String("nonsense")},
				{Id: aws.String("b"), ReceiptHandle: ms[1].ReceiptHandle},
			}})
			if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "no" || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
				t.Fatalf("got %v, %v", out, err)
			}
			t.wantCounts(url, 0, 0, 0)
		},
	},
	{
		Name: "change visibility batch with failed entries",
		Rule: "In a batch of visibility changes each entry has its own outcome.",
		Check: func(t *T) {
			url := t.queue()
			t.send(url, "a")
			t.send(url, "b")
			ms := append(t.receive(url, 1), t.receive(url, 1)...)
			out, err := t.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String("a"), ReceiptHandle: ms[0].ReceiptHandle, VisibilityTimeout: 0},
				{Id: aws.String("b"), ReceiptHandle: ms[1].ReceiptHandle, VisibilityTimeout: 43201},
				{Id: aws.String("c"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1},
			}})
			if err != nil || len(out.Successful) != 1 || len(out.Failed) != 2 {
				t.Fatalf("got %v, %v", out, err)
			}
			t.wantCounts(url, 1, 1, 0)
			t.one(url, *ms[0].Body)
		},
	},
}
