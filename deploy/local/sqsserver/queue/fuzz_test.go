package queue_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/sqsserver/queue"
	"sluice/deploy/local/store"
)

// actionNames are the names in the protocol of the methods that are actions.
func actionNames() (names []string) {
	service := reflect.TypeFor[*queue.Service]()
	for i := range service.NumMethod() {
		m := service.Method(i)
		if m.Type.NumIn() == 3 && m.Type.In(1) == reflect.TypeFor[context.Context]() && m.Type.In(2).Kind() == reflect.Pointer {
			names = append(names, strings.ReplaceAll(m.Name, "URL", "Url"))
		}
	}
	return names
}

// FuzzRequest sends arbitrary bodies to every action. No response may report a
// failure of the service, and the stored trees must agree after each request.
func FuzzRequest(f *testing.F) {
	names := actionNames()
	if len(names) != 21 {
		f.Fatalf("got %d actions, want the 21 that have an input: %v", len(names), names)
	}
	const url = `"QueueUrl":"http://h/000000000000/q`
	for i, body := range []string{
		`{"QueueName":"n","Attributes":{"VisibilityTimeout":"5"},"tags":{"a":"b"}}`,
		`{` + url + `","MessageBody":"x","DelaySeconds":3,"MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AA=="}}}`,
		`{` + url + `.fifo","MessageBody":"\ud83c\udf88","MessageGroupId":"g","MessageDeduplicationId":"d"}`,
		`{` + url + `","Entries":[{"Id":"a","MessageBody":"x"},{"Id":"b","ReceiptHandle":"AAAA","VisibilityTimeout":1}]}`,
		`{` + url + `","MaxNumberOfMessages":10,"VisibilityTimeout":0,"AttributeNames":["All"]}`,
		`{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:q","TaskHandle":"AA=="}`,
		`{` + url + `","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"x\",\"maxReceiveCount\":\"1\"}"}}`, `[]`, `"\u`, ``,
	} {
		for j := range names {
			f.Add(uint8(i+j), body)
		}
	}
	db, err := store.Open(f.TempDir(), store.Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	s, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, action uint8, body string) {
		for name, attrs := range map[string]map[string]string{"q": nil, "q.fifo": {"FifoQueue": "true"}} {
			if _, err := s.Ensure(t.Context(), name, attrs); err != nil {
				t.Fatal(err)
			}
		}
		name := names[int(action)%len(names)]
		if strings.Contains(strings.ToLower(body), "wait") || strings.Contains(body, `\u`) && name != "SendMessage" {
			return // a long poll would only wait
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "AmazonSQS."+name)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d %s", name, body, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "UnknownOperation") {
			t.Errorf("%s: the protocol does not know the action: %s", name, w.Body)
		}
		for _, q := range []string{"q", "q.fifo"} {
			if _, err := s.QueueStats(q); err == nil {
				s.CheckTrees(t, q)
			}
		}
	})
}
