package sqsqueue_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
)

// messages returns n messages with ids m0, m1, ... and data of the given size.
func messages(n, bytes int) []pipeline.Message {
	ms := make([]pipeline.Message, n)
	for i := range ms {
		ms[i] = pipeline.Message{ID: fmt.Sprintf("m%d", i), Type: "report-ready", Data: json.RawMessage(`"` + strings.Repeat("x", bytes) + `"`)}
	}
	return ms
}

func TestSendKeepsTheWholeMessage(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	sent := pipeline.Message{
		ID: "order-1", Type: "order-processing", Source: "/shop", Subject: "order 1", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Data: json.RawMessage(`{"n":1}`), TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Hops: 3,
	}
	if err := q.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	got := h.receive(q.URL)
	if len(got) != 1 {
		t.Fatalf("%d messages, want 1", len(got))
	}
	m, err := pipeline.DecodeMessage([]byte(*got[0].Body))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(m) != fmt.Sprint(sent) {
		t.Errorf("got %+v, want %+v", m, sent)
	}
	want := map[string]string{sqsqueue.AttrCause: sent.ID, lambdaevent.AttrTraceParent: sent.TraceParent}
	if a := attrs(got[0]); fmt.Sprint(a) != fmt.Sprint(want) {
		t.Errorf("attributes %v, want %v", a, want)
	}
}

func TestSendSplitsByCountAndBytes(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		messages []pipeline.Message
		want     []int // messages of each batch
	}{
		{"none", nil, nil},
		{"one", messages(1, 1), []int{1}},
		{"ten", messages(10, 1), []int{10}},
		{"eleven", messages(11, 1), []int{10, 1}},
		{"25", messages(25, 1), []int{10, 10, 5}},
		{"by bytes", messages(5, 400<<10), []int{2, 2, 1}},
		{"large and small", append(messages(1, 1<<20-400), messages(3, 400)...), []int{1, 3}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			h := newMemory(t)
			q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
			if err := q.Send(t.Context(), r.messages...); err != nil {
				t.Fatal(err)
			}
			var sizes []int
			for _, b := range h.batches {
				sizes = append(sizes, len(b))
			}
			if !slices.Equal(sizes, r.want) {
				t.Errorf("batches of %v, want %v", sizes, r.want)
			}
			if got := h.receive(q.URL); len(got) != len(r.messages) {
				t.Errorf("%d messages arrived, want %d", len(got), len(r.messages))
			}
		})
	}
}

func TestSendRejectsOnlyMessagesOverTheLimit(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	m := messages(1, 0)[0]
	m.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	attributes := len(sqsqueue.AttrCause+"String"+m.ID) + len("traceparent"+"String"+m.TraceParent)
	fits := sqsqueue.MaxMessageBytes - len(body) - attributes

	m.Data = json.RawMessage(`"` + strings.Repeat("x", fits) + `"`)
	if err := q.Send(t.Context(), m); err != nil {
		t.Errorf("a message of exactly 1 MiB: %v", err)
	}
	m.Data = json.RawMessage(`"` + strings.Repeat("x", fits+1) + `"`)
	err = q.Send(t.Context(), append(messages(12, 1), m)...)
	if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "1048577") || !strings.Contains(err.Error(), `"m0"`) {
		t.Errorf("one byte more: got %v, want a permanent error that names the message and 1048577 bytes", err)
	}
	if len(h.batches) != 1 {
		t.Errorf("%d more batches were sent, want none with a message over the limit", len(h.batches)-1)
	}
}

func TestSendRejectsInvalidMessages(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	for _, m := range []pipeline.Message{{Type: "x"}, {ID: "1"}, {ID: "1", Type: "x", Data: json.RawMessage("{")}} {
		if err := q.Send(t.Context(), messages(1, 1)[0], m); !pipeline.IsPermanent(err) {
			t.Errorf("%+v: got %v, want a permanent error", m, err)
		}
	}
	if len(h.batches) != 0 {
		t.Error("got a batch, want none")
	}
}

func TestSendErrorNamesTheRejectedMessages(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	h.respond = func(in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
		if len(h.batches) == 1 {
			return nil, nil // the response of SQS
		}
		out := &sqs.SendMessageBatchOutput{}
		for i, e := range in.Entries {
			if i == 2 || i == 4 {
				out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError"), Message: aws.String("try again"), SenderFault: false})
			}
		}
		return out, nil
	}
	err := q.Send(t.Context(), messages(35, 1)...)
	refused, ok := errors.AsType[*sqsqueue.SendError](err)
	if !ok || pipeline.IsPermanent(err) {
		t.Fatalf("got %v, want a *SendError that can be retried", err)
	}
	want := []sqsqueue.Rejection{{ID: "m12", Code: "InternalError", Reason: "try again"}, {ID: "m14", Code: "InternalError", Reason: "try again"}}
	if refused.URL != q.URL || !slices.Equal(refused.Failed, want) {
		t.Errorf("got %+v, want %+v", refused.Failed, want)
	}
	if text := err.Error(); !strings.Contains(text, "2 rejected") || !strings.Contains(text, `"m12"`) || !strings.Contains(text, "try again") {
		t.Errorf("the error's text is %q", text)
	}
	if len(h.batches) != 2 {
		t.Errorf("%d batches, want none after the rejection", len(h.batches))
	}
}

// The error is Permanent only if the rejected messages are invalid and all others
// were sent.
func TestSendErrorIsPermanentForInvalidMessages(t *testing.T) {
	t.Parallel()
	type rejection struct {
		code  string
		fault bool
	}
	for _, tt := range []struct {
		name      string
		rejected  map[string]rejection // by message
		permanent bool
		sent      int // of 25
	}{
		{"the sender's fault", map[string]rejection{"m3": {"InvalidParameterValue", true}}, true, 24},
		{"in the first and in the last batch", map[string]rejection{"m3": {"InvalidParameterValue", true}, "m24": {"MalformedInput", true}}, true, 23},
		{"by its code", map[string]rejection{"m3": {"InvalidMessageContents", false}}, true, 24},
		{"by its code, in the old protocol", map[string]rejection{"m3": {"AWS.SimpleQueueService.InvalidMessageContents", false}}, true, 24},
		{"the queue's fault", map[string]rejection{"m3": {"InternalError", false}}, false, 9},
		{"both in one batch", map[string]rejection{"m3": {"InvalidParameterValue", true}, "m4": {"InternalError", false}}, false, 8},
		{"both, in two batches", map[string]rejection{"m3": {"InvalidParameterValue", true}, "m12": {"InternalError", false}}, false, 18},
		{"throttled, as the sender's fault", map[string]rejection{"m3": {"ThrottlingException", true}}, false, 9},
		{"requests throttled", map[string]rejection{"m3": {"RequestThrottled", true}}, false, 9},
		{"permission missing", map[string]rejection{"m3": {"AccessDenied", true}}, false, 9},
		{"key disabled", map[string]rejection{"m3": {"KMS.DisabledException", true}}, false, 9},
		{"queue missing", map[string]rejection{"m3": {"AWS.SimpleQueueService.NonExistentQueue", true}}, false, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newMemory(t)
			q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
			sent := 0
			h.respond = func(in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
				out := &sqs.SendMessageBatchOutput{}
				for _, e := range in.Entries {
					m, err := pipeline.DecodeMessage([]byte(*e.MessageBody))
					if err != nil {
						return nil, err
					}
					if r, ok := tt.rejected[m.ID]; ok {
						out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String(r.code), SenderFault: r.fault})
						continue
					}
					sent++
				}
				return out, nil
			}
			err := q.Send(t.Context(), messages(25, 1)...)
			if _, ok := errors.AsType[*sqsqueue.SendError](err); !ok || pipeline.IsPermanent(err) != tt.permanent {
				t.Errorf("got %v, permanent %t, want %t", err, pipeline.IsPermanent(err), tt.permanent)
			}
			if sent != tt.sent {
				t.Errorf("%d messages were sent, want %d", sent, tt.sent)
			}
		})
	}
}

// The error is not Permanent, because the rest was not sent.
func TestSendErrorIsRetriedAfterALostConnection(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	cut := errors.New("connection reset")
	calls := 0
	h.respond = func(in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
		if calls++; calls == 2 {
			return nil, cut
		}
		return &sqs.SendMessageBatchOutput{Failed: []types.BatchResultErrorEntry{{Id: in.Entries[0].Id, Code: aws.String("InvalidParameterValue"), SenderFault: true}}}, nil
	}
	err := q.Send(t.Context(), messages(11, 1)...)
	if pipeline.IsPermanent(err) || !errors.Is(err, cut) || !strings.Contains(err.Error(), `"m0"`) {
		t.Errorf("got %v, want an error that can be retried and names both", err)
	}
}

func TestSendErrorWrapsThatOfSQS(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	err := sqsqueue.Queue{Client: h, URL: h.queue("jobs") + "-none"}.Send(t.Context(), messages(1, 1)...)
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok || pipeline.IsPermanent(err) {
		t.Errorf("got %v, want the error of SQS, not permanent", err)
	}
}

// JSON may contain characters that SQS does not accept.
func TestSendEscapesCharacters(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
	long := strings.Repeat("i", 5000)
	sent := []pipeline.Message{
		{ID: "a\x01", Type: "odd", Data: json.RawMessage(`{"key":"a` + "\uFFFE\uFFFF" + `\u0001é😀"}`)},
		{ID: "a\x02", Type: "odd", Subject: "b\x1f", TraceParent: "\x00"},
		{ID: long, Type: "odd", TraceParent: long},
		{ID: "no text", Type: "odd", Data: json.RawMessage("\"\xff\"")},
	}
	if err := q.Send(t.Context(), sent...); err != nil {
		t.Fatal(err)
	}
	got := map[string]pipeline.Message{}
	for _, m := range h.receive(q.URL) {
		d, err := pipeline.DecodeMessage([]byte(*m.Body))
		if err != nil {
			t.Fatal(err)
		}
		a := attrs(m)
		if _, ok := got[a[sqsqueue.AttrCause]]; ok {
			t.Errorf("two messages of cause %q", a[sqsqueue.AttrCause])
		}
		got[a[sqsqueue.AttrCause]] = d
		if a["traceparent"] != "" {
			t.Errorf("trace %q was sent", a["traceparent"])
		}
	}
	for i, want := range sent[:3] {
		m, ok := got[pipeline.DeriveID(want.ID)]
		if !ok || m.ID != want.ID || m.Subject != want.Subject {
			t.Errorf("message %d: got %+v, want %+v", i, m, want)
		}
	}
	var data struct{ Key string }
	if err := json.Unmarshal(got[pipeline.DeriveID("a\x01")].Data, &data); err != nil || data.Key != "a\uFFFE\uFFFF\x01é😀" {
		t.Errorf("got data %q %v", data.Key, err)
	}
	if d := string(got["no text"].Data); d != `"`+"\uFFFD"+`"` {
		t.Errorf("got data %q", d)
	}
}

func TestSendToFIFODropsDuplicates(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	q := sqsqueue.Queue{Client: h, URL: h.queue("jobs.fifo")}
	ms := messages(3, 1)
	ms[0].Subject, ms[1].Subject = "bucket/a b/ü", "bucket/a b/ü" // not a valid group id
	ms[2].Type = "other"
	for range 2 { // the second time, all are duplicates
		if err := q.Send(t.Context(), ms...); err != nil {
			t.Fatal(err)
		}
	}
	got := h.receive(q.URL)
	if len(got) != 3 {
		t.Fatalf("%d messages, want 3: the second ones have the same ids", len(got))
	}
	groups := map[string][]string{}
	for _, m := range got {
		groups[m.Attributes["MessageGroupId"]] = append(groups[m.Attributes["MessageGroupId"]], attrs(m)[sqsqueue.AttrCause])
	}
	if len(groups) != 2 || !slices.Equal(groups[pipeline.DeriveID("bucket/a b/ü")], []string{"m0", "m1"}) {
		t.Errorf("groups %v, want m0 and m1 in one, m2 in another", groups)
	}
}

func TestDelayRoundsUpToSeconds(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		d    time.Duration
		want int32
	}{
		{time.Nanosecond, 1},
		{time.Second, 1},
		{1500 * time.Millisecond, 2},
		{5 * time.Minute, 300},
		{11 * time.Hour, 39600},
		{12 * time.Hour, 39600},
		{math.MaxInt64, 39600},
	} {
		t.Run(r.d.String(), func(t *testing.T) {
			t.Parallel()
			h := newMemory(t)
			q := sqsqueue.Queue{Client: h, URL: h.queue("jobs")}
			if err := q.Send(t.Context(), messages(1, 1)...); err != nil {
				t.Fatal(err)
			}
			m := h.receive(q.URL)[0]
			record := pipeline.Record{ID: *m.MessageId, Attrs: map[string]string{lambdaevent.AttrReceiptHandle: *m.ReceiptHandle}}
			if err := q.Delay(t.Context(), record, r.d); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(h.hidden, []int32{r.want}) {
				t.Errorf("hidden for %v s, want %d", h.hidden, r.want)
			}
		})
	}
}

func TestDelayReturnsErrors(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	h.err = errors.New("throttled")
	q := sqsqueue.Queue{Client: h, URL: "http://sqs.test/1/jobs"}
	if err := q.Delay(t.Context(), pipeline.Record{ID: "r1"}, time.Minute); err == nil || !strings.Contains(err.Error(), `"r1"`) || len(h.hidden) != 0 {
		t.Errorf("without a receipt handle: got %v, want an error that names the record", err)
	}
	record := pipeline.Record{ID: "r1", Attrs: map[string]string{lambdaevent.AttrReceiptHandle: "x"}}
	if err := q.Delay(t.Context(), record, time.Minute); !errors.Is(err, h.err) {
		t.Errorf("got %v, want the error of SQS", err)
	}
}
