package sqsserver

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"sluice/deploy/local/store"
)

// FuzzRequest sends bodies of any kind to every action: none may be the service's fault, and the trees must agree after each.
func FuzzRequest(f *testing.F) {
	names := slices.Sorted(maps.Keys(actions))
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
	s, err := New(db, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, action uint8, body string) {
		for name, attrs := range map[string]map[string]string{"q": nil, "q.fifo": {attrFifo: "true"}} {
			if err := s.Create(t.Context(), name, attrs); err != nil {
				if e, ok := err.(*Error); !ok || e.Type != "QueueNameExists" {
					t.Fatal(err)
				}
			}
		}
		name := names[int(action)%len(names)]
		if strings.Contains(strings.ToLower(body), "wait") || strings.Contains(body, `\u`) && name != "SendMessage" {
			return // a long poll would only wait
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", targetPrefix+name)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d %s", name, body, w.Code, w.Body)
		}
		for _, q := range []string{"q", "q.fifo"} {
			if _, err := s.QueueStats(q); err == nil {
				checkTrees(t, s, q)
			}
		}
	})
}
