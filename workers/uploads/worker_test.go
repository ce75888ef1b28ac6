package uploads

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

func TestOtherTypesOfEventsAreSkipped(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		record func(b *bench) map[string]any
	}{
		{"folder", func(b *bench) map[string]any { return b.created("a/") }},
		{"folder removed", func(b *bench) map[string]any { return b.removed("a/") }},
		{"tags", func(b *bench) map[string]any { return b.s3Record("ObjectTagging:Put", "uploads", "a.png") }},
		{"a thumbnail in its bucket", func(b *bench) map[string]any {
			return b.s3Record("ObjectCreated:Put", "thumbs", "thumbnails/8x8/a.png")
		}},
		{"removed thumbnail", func(b *bench) map[string]any {
			return b.s3Record("ObjectRemoved:Delete", "thumbs", "thumbnails/8x8/a.png")
		}},
		{"dead letter", func(b *bench) map[string]any {
			return b.s3Record("ObjectCreated:Put", "failures", "letters/uploads/1")
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.done(r.record(b))
			if len(b.s3.calls) != 0 || len(b.sqs.messages) != 0 {
				t.Errorf("got S3 calls %q, messages %q, want none", b.s3.calls, b.told())
			}
		})
	}
}

func TestBucketSharedWithUploads(t *testing.T) {
	t.Parallel()
	t.Run("with a prefix", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.ThumbnailBucket, c.DeadLetterBucket = "uploads", "uploads" })
		b.s3.put("uploads/a.png", red)
		b.s3.put("uploads/thumbnails.png", red) // begins like it
		b.done(b.created("a.png"))
		b.done(b.created("thumbnails.png"))
		b.done(b.created("thumbnails/8x8/a.png"))
		b.done(b.created("letters/uploads/1"))
		b.wantTold("image-processed uploads/a.png", "image-processed uploads/thumbnails.png")
	})
	t.Run("without", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.ThumbnailBucket, c.KeyTemplate = "uploads", "{size}/{key}" })
		b.s3.put("uploads/a.png", red)
		b.deadLettered(`THUMBNAIL_KEY: got "{size}/{key}", want a prefix`, b.created("a.png"))
		if len(b.s3.calls) != 0 {
			t.Errorf("S3 was asked %q", b.s3.calls)
		}
	})
	t.Run("without, in a bucket of its own", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.KeyTemplate = "{size}/{bucket}/{key}" })
		b.s3.put("uploads/a.png", red)
		b.done(b.created("a.png"))
		if got, want := b.s3.names("thumbs"), []string{"4x4-fill/uploads/a.png", "8x8/uploads/a.png"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestDeadLetterPrefixInAnotherBucketHoldsPictures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/letters/a.png", red)
	b.done(b.created("letters/a.png"))
	b.wantTold("image-processed uploads/letters/a.png")
}

// TestMessageIsSentBeforeTheAcknowledgement checks that an S3 event whose message
// cannot be sent is retried.
func TestMessageIsSentBeforeTheAcknowledgement(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"created", "rejected", "removed"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			record := b.removed("a.png")
			switch what {
			case "created":
				b.s3.put("uploads/a.png", red)
				record = b.created("a.png")
			case "rejected":
				b.s3.put("uploads/a.png", []byte("Dear colleague,"))
				record = b.created("a.png")
			}
			b.sqs.err = errors.New("queue is away")
			b.fails("queue is away", record)
			b.sqs.err = nil
			b.done(record)
			if len(b.sqs.messages) != 1 {
				t.Errorf("told %q", b.told())
			}
		})
	}
}

func TestEventsOfOneMessageSucceedOrFailTogether(t *testing.T) {
	t.Parallel()
	const denied = "GET uploads/denied.png"
	setUp := func(t *testing.T) *bench {
		b := newBench(t)
		b.s3.put("uploads/a.png", red)
		b.s3.put("uploads/denied.png", red)
		b.s3.before = func(call string) error {
			if call == denied {
				return refused(http.StatusForbidden, "AccessDenied")
			}
			return nil
		}
		return b
	}
	t.Run("one may be retried", func(t *testing.T) {
		t.Parallel()
		b := setUp(t)
		b.fails("s3:GetObject", b.created("denied.png"), b.created("a.png"))
		b.wantConverged("a.png") // the others are done
	})
	t.Run("one is permanent", func(t *testing.T) {
		t.Parallel()
		b := setUp(t)
		b.deadLettered(`ObjectCreated:Put "uploads/inbox/a.txt"`, b.created("inbox/a.txt"), b.created("a.png"))
		b.wantConverged("a.png")
	})
	t.Run("one of each", func(t *testing.T) {
		t.Parallel()
		b := setUp(t)
		inbox, refused := b.created("inbox/a.txt"), b.created("denied.png")
		err := b.fails("1 of 2 S3 events can be retried", inbox, refused)
		if !strings.Contains(err.Error(), "a.txt") || !strings.Contains(err.Error(), "denied.png") {
			t.Errorf("%v does not name both", err)
		}
		b.s3.before = nil
		b.deadLettered("a.txt", inbox, refused) // only that is left
	})
	t.Run("at the last attempt", func(t *testing.T) {
		t.Parallel()
		b := setUp(t)
		if ids := b.failures(sqsEvent(4, s3Event(b.created("denied.png")))); len(ids) != 0 || len(b.sqs.deadLetters) != 1 {
			t.Fatalf("got failed messages %v, %d dead letters, want none and one", ids, len(b.sqs.deadLetters))
		}
		l := b.sqs.deadLetters[0]
		if reason := b.sqs.reasons()[0]; !strings.Contains(reason, "s3:GetObject") || !strings.Contains(reason, "s3:ListBucket") {
			t.Errorf("reason %q does not tell both", reason)
		}
		if attribute(l.MessageAttributes, sqsqueue.AttrWorker) != "uploads" || attribute(l.MessageAttributes, sqsqueue.AttrAttempts) != "4" || *l.QueueUrl != b.config.DeadLetterQueueURL {
			t.Errorf("dead letter: got %+v", l)
		}
	})
}

func TestTogether(t *testing.T) {
	t.Parallel()
	plain, permanent := errors.New("plain"), pipeline.Permanentf("permanent")
	rows := []struct {
		problems  []error
		permanent bool
		texts     []string
	}{
		{nil, false, nil},
		{[]error{plain}, false, []string{"plain"}},
		{[]error{plain, plain}, false, []string{"plain"}},
		{[]error{permanent}, true, []string{"permanent"}},
		{[]error{permanent, fmt.Errorf("wrapped: %w", permanent)}, true, []string{"permanent", "wrapped"}},
		{[]error{permanent, plain}, false, []string{"permanent", "plain", "1 of 2"}},
		{[]error{plain, permanent, plain}, false, []string{"permanent", "plain", "2 of 3"}},
	}
	for _, r := range rows {
		err := joined(r.problems)
		if (err == nil) != (r.problems == nil) || pipeline.IsPermanent(err) != r.permanent {
			t.Errorf("%v: got %v, permanent %v", r.problems, err, pipeline.IsPermanent(err))
		}
		for _, text := range r.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%v: %q does not say %q", r.problems, err, text)
			}
		}
	}
}

func TestBatchFailsInPart(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.SourceQueueURL = "http://sqs.test/1/uploads" })
	b.s3.put("uploads/a.png", red)
	b.s3.before = func(call string) error {
		if call == "GET uploads/slow.png" {
			return refused(http.StatusServiceUnavailable, "SlowDown")
		}
		return nil
	}
	ids := b.failures(sqsEvent(1, s3Event(b.created("a.png")), s3Event(b.created("slow.png")), "no JSON", `{"Service":"Amazon S3","Event":"s3:TestEvent"}`))
	if !slices.Equal(ids, []string{"2"}) || len(b.sqs.deadLetters) != 1 {
		t.Errorf("got failed messages %v, dead letters %q", ids, b.sqs.reasons())
	}
	if len(b.sqs.delayed) != 1 || *b.sqs.delayed[0].QueueUrl != "http://sqs.test/1/uploads" || *b.sqs.delayed[0].ReceiptHandle != "r2" || b.sqs.delayed[0].VisibilityTimeout < 8 || b.sqs.delayed[0].VisibilityTimeout > 15 {
		t.Errorf("delayed %+v, want the second message, by 8 to 15 seconds", b.sqs.delayed)
	}
}

// TestBatchThatFailsWhole slows the polling down, and each message still waits
// as long as it should. One message that fails alone does not.
func TestBatchThatFailsWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.SourceQueueURL = "http://sqs.test/1/uploads" })
	b.s3.before = func(string) error { return refused(http.StatusServiceUnavailable, "SlowDown") }
	slow := s3Event(b.created("slow.png"))
	if ids := b.failures(sqsEvent(1, slow)); !slices.Equal(ids, []string{"1"}) {
		t.Errorf("alone: failed %v, want 1", ids)
	}
	_, err := b.Invoke(t.Context(), sqsEvent(1, slow, slow))
	if failed, ok := errors.AsType[*pipeline.BatchFailedError](err); !ok || failed.Records != 2 {
		t.Errorf("two: got %v, want a *pipeline.BatchFailedError", err)
	}
	if len(b.sqs.delayed) != 3 {
		t.Errorf("delayed %+v, want all of them", b.sqs.delayed)
	}
	var direct struct{ Records []any }
	if err := json.Unmarshal([]byte(s3Event(b.created("slow.png"), b.created("slow.png"))), &direct); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Invoke(t.Context(), []byte(asJSON(direct))); err == nil || !strings.Contains(err.Error(), "2 of 2") {
		t.Errorf("without a queue: got %v, want each record's error", err)
	}
}

// TestInvokedDirectly covers sources without a partial batch response, where a
// failure is a function error.
func TestInvokedDirectly(t *testing.T) {
	t.Parallel()
	sources := []struct {
		name  string
		event func(b *bench) string
	}{
		{"S3", func(b *bench) string { return s3Event(b.created("a.png")) }},
		{"SNS", func(b *bench) string {
			return asJSON(map[string]any{"Records": []any{map[string]any{
				"EventSource": "aws:sns", "EventVersion": "1.0",
				"Sns": map[string]any{"MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": s3Event(b.created("a.png"))},
			}}})
		}},
		{"EventBridge", func(b *bench) string {
			return asJSON(map[string]any{
				"version": "0", "id": "1", "source": "aws.s3", "detail-type": "Object Created", "time": "2026-01-02T03:04:05Z", "region": "us-east-1",
				"resources": []string{"arn:aws:s3:::uploads"},
				"detail":    map[string]any{"bucket": map[string]any{"name": "uploads"}, "object": map[string]any{"key": "a.png", "sequencer": "1"}},
			})
		}},
	}
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.SourceQueueURL = "http://sqs.test/1/uploads" })
			b.s3.put("uploads/a.png", red)
			event := []byte(source.event(b))
			b.s3.before = func(string) error { return refused(http.StatusServiceUnavailable, "SlowDown") }
			if response, err := b.Invoke(t.Context(), event); err == nil || !strings.Contains(err.Error(), "SlowDown") {
				t.Errorf("got %s, %v, want a function error", response, err)
			}
			if len(b.sqs.delayed) != 0 {
				t.Error("there is no message to be delayed")
			}
			b.s3.before = nil
			if response, err := b.Invoke(t.Context(), event); err != nil || string(response) != "null" {
				t.Errorf("got %s, %v", response, err)
			}
			b.wantConverged("a.png")
			b.wantTold("image-processed uploads/a.png")
		})
	}
}

func TestInvokedWithAnotherEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, event := range []string{"", "{}", `{"Records":[{"eventSource":"aws:dynamodb","eventID":"1"}]}`} {
		if response, err := b.Invoke(t.Context(), []byte(event)); err == nil {
			t.Errorf("%q: got %s, want an error", event, response)
		}
	}
}

func TestTraceTravelsAlong(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	b.s3.put("uploads/inbox/a.json", []byte(`{"type":"report-ready"}`))
	r := pipeline.Record{ID: "1", Attrs: map[string]string{"traceparent": trace}, Body: []byte(s3Event(b.created("a.png"), b.created("inbox/a.json")))}
	if err := b.handle(pipeline.WithRecord(t.Context(), r), r); err != nil {
		t.Fatal(err)
	}
	for _, m := range b.sqs.messages {
		if m.TraceParent != trace {
			t.Errorf("message %q has trace %q", m.Type, m.TraceParent)
		}
	}
	if b.wantTold("image-processed uploads/a.png", "report-ready "); b.sqs.messages[0].Type != schema.TypeImageProcessed {
		t.Error("the picture comes first")
	}
}
