package queues_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

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

// TestWire looks at what goes over the wire where an SDK would hide it.
func TestWire(t *testing.T) {
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

// TestSyncBeforeAnswer looks whether each action that changes something is answered after a sync that came after the request,
// and whether those that change nothing leave the disk alone.
func TestSyncBeforeAnswer(t *testing.T) {
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
}

// TestFullDisk fills the disk with messages and empties it again.
func TestFullDisk(t *testing.T) {
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
	if err == nil || !strings.Contains(err.Error(), "no room") {
		t.Fatalf("after %d MB in 20: %v, want an error that says there is no room", sent, err)
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
