package sqsserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
)

func post(h http.Handler, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://sqs.test/", strings.NewReader(body))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestErrorsHaveTypeAndQueryCode reads responses that an SDK would hide.
func TestErrorsHaveTypeAndQueryCode(t *testing.T) {
	t.Parallel()
	s := newService(t, store.Options{NoSync: true})
	const jsonType = "application/x-amz-json-1.0"
	if w := post(s, "AmazonSQS.CreateQueue", jsonType, `{"QueueName":"q"}`); w.Code != 200 || w.Body.String() != `{"QueueUrl":"http://sqs.test/000000000000/q"}` {
		t.Fatalf("create: %d %s", w.Code, w.Body)
	}
	const url = `"QueueUrl":"http://any.host/000000000000/q"`
	rows := []struct {
		name, target, contentType, body string
		code                            int
		typ, query                      string
	}{
		{"another account", "AmazonSQS.SendMessage", jsonType, `{"QueueUrl":"http://h/999999999999/q","MessageBody":"x"}`, 400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender"},
		{"no URL", "AmazonSQS.SendMessage", jsonType, `{"MessageBody":"x"}`, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"no JSON", "AmazonSQS.SendMessage", jsonType, `{`, 400, "com.amazon.coral.service#SerializationException", "SerializationException;Sender"},
		{"a number as text", "AmazonSQS.ReceiveMessage", jsonType, `{` + url + `,"MaxNumberOfMessages":"1"}`, 400, "com.amazon.coral.service#SerializationException", "SerializationException;Sender"},
		{"no UTF-8", "AmazonSQS.SendMessage", jsonType, "{" + url + `,"MessageBody":"` + "\xff" + `"}`, 400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents;Sender"},
		{"half a character", "AmazonSQS.SendMessage", jsonType, `{` + url + `,"MessageBody":"\ud83c!"}`, 400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents;Sender"},
		{"the other half", "AmazonSQS.SendMessage", jsonType, `{` + url + `,"MessageBody":"\udf88"}`, 400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents;Sender"},
		{"a half at the end", "AmazonSQS.SendMessage", jsonType, `{` + url + `,"MessageBody":"\ud83c"}`, 400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents;Sender"},
		{"unknown action", "AmazonSQS.Nonsense", jsonType, `{}`, 400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction;Sender"},
		{"another service", "DynamoDB_20120810.PutItem", jsonType, `{}`, 400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction;Sender"},
		{"too long", "AmazonSQS.SendMessage", jsonType, `{` + url + `,"MessageBody":"` + strings.Repeat("x", 9<<20) + `"}`, 413, "com.amazonaws.sqs#RequestTooLargeException", "RequestEntityTooLarge;Sender"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := post(s, r.target, r.contentType, r.body)
			var got struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != r.code || got.Type != r.typ || w.Header().Get("x-amzn-query-error") != r.query || got.Message == "" {
				t.Errorf("got %d %+v %q, want %d %s %q", w.Code, got, w.Header().Get("x-amzn-query-error"), r.code, r.typ, r.query)
			}
		})
	}
	t.Run("both halves", func(t *testing.T) {
		t.Parallel()
		if w := post(s, "AmazonSQS.SendMessage", jsonType, `{`+url+`,"MessageBody":"\\ud83c \ud83c\udf88 \\\ud83c\udf88"}`); w.Code != 200 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	t.Run("a bare name", func(t *testing.T) {
		t.Parallel()
		if w := post(s, "AmazonSQS.GetQueueAttributes", jsonType, `{"QueueUrl":"q"}`); w.Code != 200 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	t.Run("GET", func(t *testing.T) {
		t.Parallel()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("got %d", w.Code)
		}
	})
}

// TestSyncBeforeResponse: an action that changes something syncs the store between
// request and response, and an action that changes nothing does not sync.
func TestSyncBeforeResponse(t *testing.T) {
	t.Parallel()
	var syncs atomic.Int64
	s := newService(t, store.Options{Synced: func(int) { syncs.Add(1) }})
	c := newClient("http://sqs.test", inProcess{s})
	url := aws.String("http://sqs.test/000000000000/q")
	step := func(what string, want int64, do func() error) {
		t.Helper()
		before := syncs.Load()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := syncs.Load() - before; got != want {
			t.Errorf("%s: %d syncs, want %d", what, got, want)
		}
	}
	var handle *string
	step("create", 1, func() error {
		_, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
		return err
	})
	step("create again", 0, func() error {
		_, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
		return err
	})
	step("empty receive", 0, func() error {
		_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url})
		return err
	})
	step("send", 1, func() error {
		_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
		return err
	})
	step("receive", 1, func() error {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url})
		if err == nil {
			handle = out.Messages[0].ReceiptHandle
		}
		return err
	})
	step("attributes", 0, func() error {
		_, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url})
		return err
	})
	step("hide", 1, func() error {
		_, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: 9})
		return err
	})
	step("delete", 1, func() error {
		_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle})
		return err
	})
	step("delete again", 0, func() error {
		_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle})
		return err
	})
	step("send batch", 1, func() error {
		_, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("a"), MessageBody: aws.String("x")}, {Id: aws.String("b"), MessageBody: aws.String("y")},
		}})
		return err
	})
	var handles []*string
	step("receive two", 1, func() error {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		for _, m := range out.Messages {
			handles = append(handles, m.ReceiptHandle)
		}
		if err == nil && len(handles) != 2 {
			err = fmt.Errorf("got %d messages", len(handles))
		}
		return err
	})
	if t.Failed() {
		return
	}
	step("hide batch", 1, func() error {
		_, err := c.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: handles[0], VisibilityTimeout: 9}, {Id: aws.String("b"), ReceiptHandle: handles[1], VisibilityTimeout: 9},
		}})
		return err
	})
	step("delete batch", 1, func() error {
		_, err := c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: handles[0]}, {Id: aws.String("b"), ReceiptHandle: handles[1]},
		}})
		return err
	})
	step("set attributes", 1, func() error {
		_, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "7"}})
		return err
	})
	step("tag", 1, func() error {
		_, err := c.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}})
		return err
	})
	step("tags", 0, func() error {
		_, err := c.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: url})
		return err
	})
	step("untag", 1, func() error {
		_, err := c.UntagQueue(t.Context(), &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}})
		return err
	})
	step("purge", 1, func() error {
		_, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: url})
		return err
	})
	step("list", 0, func() error {
		_, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{})
		return err
	})

	// q becomes a dead-letter queue, and a slow task moves its messages elsewhere.
	step("create a source", 1, func() error {
		_, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("source"), Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q","maxReceiveCount":1}`,
		}})
		return err
	})
	for range 10 {
		step("send", 1, func() error {
			_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
			return err
		})
	}
	var task *string
	atLeast := func(what string, do func() error) { // the task may sync too
		t.Helper()
		before := syncs.Load()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if syncs.Load() == before {
			t.Errorf("%s: response without a sync", what)
		}
	}
	atLeast("start a move", func() error {
		out, err := c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{
			SourceArn: aws.String("arn:aws:sqs:us-east-1:000000000000:q"), DestinationArn: aws.String("arn:aws:sqs:us-east-1:000000000000:source"), MaxNumberOfMessagesPerSecond: aws.Int32(1),
		})
		if err == nil {
			task = out.TaskHandle
		}
		return err
	})
	atLeast("cancel the move", func() error {
		_, err := c.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: task})
		return err
	})
	atLeast("delete queue", func() error {
		_, err := c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
		return err
	})
	// An action that is not in this list needs a step above.
	for name := range sqsserver.Actions() {
		if !slices.Contains([]string{
			"CreateQueue", "SendMessage", "SendMessageBatch", "ReceiveMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "DeleteMessage",
			"DeleteMessageBatch", "SetQueueAttributes", "TagQueue", "UntagQueue", "PurgeQueue", "StartMessageMoveTask", "CancelMessageMoveTask", "DeleteQueue",
			"GetQueueAttributes", "GetQueueUrl", "ListQueues", "ListQueueTags", "ListDeadLetterSourceQueues", "ListMessageMoveTasks", "AddPermission", "RemovePermission",
		}, name) {
			t.Errorf("%s has no step: does it sync before its response?", name)
		}
	}
}

func TestFullDiskRefusesSendsAndAllowsDeletes(t *testing.T) {
	t.Parallel()
	s := newService(t, store.Options{NoSync: true, MaxBytes: 20 << 20, ReserveBytes: 4 << 20})
	c := newClient("http://sqs.test", inProcess{s})
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 1<<20)
	sent := 0
	for ; err == nil && sent < 100; sent++ {
		_, err = c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &body})
	}
	sent--
	if err == nil || !strings.Contains(err.Error(), "no space") {
		t.Fatalf("after %d MB in 20: %v, want an error that names the full disk", sent, err)
	}
	for range sent {
		got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: out.QueueUrl})
		if err != nil || len(got.Messages) != 1 {
			t.Fatalf("receive from a full disk: %v, %v", got, err)
		}
		if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: out.QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle}); err != nil {
			t.Fatalf("delete on a full disk: %v", err)
		}
	}
	if st, err := s.QueueStats("q"); err != nil || st.Ready+st.InFlight != 0 {
		t.Errorf("got %+v, %v, want what was acknowledged and no more", st, err)
	}
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &body}); err != nil {
		t.Errorf("send after making room: %v", err)
	}
}
