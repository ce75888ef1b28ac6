package sqsqueue_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
)

// bucket is an S3 bucket in memory that counts requests.
type bucket struct {
	objects    map[string][]byte // by bucket/key
	puts, gets int
	err        error
}

func (b *bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	b.gets++
	if b.err != nil {
		return nil, b.err
	}
	data, ok := b.objects[*in.Bucket+"/"+*in.Key]
	if !ok {
		return nil, &s3types.NoSuchKey{}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(data))}, nil
}

func (b *bucket) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	b.puts++
	if b.err != nil {
		return nil, b.err
	}
	data, err := io.ReadAll(in.Body)
	if b.objects == nil {
		b.objects = map[string][]byte{}
	}
	b.objects[*in.Bucket+"/"+*in.Key] = data
	return &s3.PutObjectOutput{}, err
}

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// deadLetter returns a dead letter with the given body.
func deadLetter(body string) pipeline.DeadLetter {
	return pipeline.DeadLetter{
		Record: pipeline.Record{
			ID: "message-1", Cause: "order-7", Source: "arn:aws:sqs:us-east-1:000000000000:jobs", Attempt: 4,
			Attrs: map[string]string{lambdaevent.AttrTraceParent: trace}, Body: []byte(body),
		},
		Reason: errors.New("order 7: no such mug"), Worker: "messages",
		At: time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600)),
	}
}

// write writes l and returns the message on the queue.
func write(t *testing.T, h *memory, d sqsqueue.DeadLetters, l pipeline.DeadLetter) types.Message {
	t.Helper()
	if err := d.Write(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got := h.receive(d.URL)
	if len(got) != 1 {
		t.Fatalf("got %d dead letters, want 1", len(got))
	}
	return got[0]
}

func TestDeadLetterHasBodyAndOrigin(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}
	m := write(t, h, d, deadLetter(`{"type":"order-processing"}`+"\n\t😀"))
	if *m.Body != `{"type":"order-processing"}`+"\n\t😀" {
		t.Errorf("got body %q, want that of the record", *m.Body)
	}
	want := map[string]string{
		"sluice-reason": "order 7: no such mug", "sluice-worker": "messages", "sluice-attempts": "4",
		"sluice-time": "2026-01-02T02:04:05.0000006Z", "sluice-id": "message-1", "sluice-cause": "order-7",
		"sluice-source": "arn:aws:sqs:us-east-1:000000000000:jobs", "traceparent": trace,
	}
	if got := attrs(m); !maps.Equal(got, want) {
		t.Errorf("attributes\n%v, want\n%v", got, want)
	}
}

func TestDeadLetterHasAtMostNineAttributesOfItsOwn(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	m := write(t, h, sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}, deadLetter("\x00"))
	if n := len(m.MessageAttributes); n != 9 {
		t.Errorf("%d attributes, want 9: SQS accepts 10", n)
	}
}

func TestDeadLetterOmitsEmptyAttributes(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	m := write(t, h, sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}, pipeline.DeadLetter{Record: pipeline.Record{ID: "1", Body: []byte("x")}, Reason: errors.New("no")})
	got := slices.Sorted(maps.Keys(attrs(m)))
	if want := []string{"sluice-attempts", "sluice-id", "sluice-reason", "sluice-time"}; !slices.Equal(got, want) {
		t.Errorf("attributes %v, want %v", got, want)
	}
}

func TestDeadLetterReasonFitsAnAttribute(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, reason, want string }{
		{"lines", "one\ntwo", "one; two"},
		{"characters that SQS does not accept", "a\x00b\x1bc\xffd\uFFFEe", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe"},
		{"4 KB", strings.Repeat("x", 4096), strings.Repeat("x", 4096)},
		{"more", strings.Repeat("x", 4097), strings.Repeat("x", 4093) + "…"},
		{"cut between runes", "xx" + strings.Repeat("😀", 2000), "xx" + strings.Repeat("😀", 1022) + "…"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			h := newMemory(t)
			l := deadLetter("x")
			l.Reason = pipeline.Permanent(errors.New(r.reason))
			got := attrs(write(t, h, sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}, l))[sqsqueue.AttrReason]
			if got != r.want || len(got) > 4096 || !utf8.ValidString(got) {
				t.Errorf("got %d bytes %.80q, want %.80q", len(got), got, r.want)
			}
		})
	}
}

// A cause that does not fit an attribute is replaced by a derived one. Truncated
// causes could become equal, and a redrive would then drop a record.
func TestDeadLettersKeepCausesDifferent(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}
	long := strings.Repeat("k", 4096)
	seen := map[string]string{}
	for _, cause := range []string{"b/a\x01/1", "b/a\x02/1", long, long + "1", long + "2"} {
		l := deadLetter("x")
		l.Record.Cause = cause
		got := attrs(write(t, h, d, l))[sqsqueue.AttrCause]
		if before, ok := seen[got]; ok {
			t.Errorf("causes %.20q and %.20q became equal", before, cause)
		}
		if seen[got] = cause; cause == long && got != long {
			t.Errorf("a cause that fits became %.20q", got)
		}
	}
}

func TestDeadLetterEncodesBodiesThatSQSRejects(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, body string }{
		{"empty", ""},
		{"zero byte", "a\x00b"},
		{"control character", "\x1b[31m"},
		{"invalid UTF-8", "\xff\xfe"},
		{"truncated rune", "abc\xf0\x9f"},
		{"U+FFFE", "\uFFFE"},
		{"U+FFFF", "x\uFFFF"},
		{"a surrogate", "\xed\xa0\x80"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			h := newMemory(t)
			m := write(t, h, sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}, deadLetter(r.body))
			got, err := base64.StdEncoding.DecodeString(*m.Body)
			if err != nil || string(got) != r.body || attrs(m)[sqsqueue.AttrEncoding] != sqsqueue.EncodingBase64 {
				t.Errorf("got %q as %q (%v), want %q", got, attrs(m)[sqsqueue.AttrEncoding], err, r.body)
			}
		})
	}
	t.Run("U+FFFD is accepted", func(t *testing.T) {
		t.Parallel()
		h := newMemory(t)
		if m := write(t, h, sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}, deadLetter("\uFFFD\u007f\r")); *m.Body != "\uFFFD\u007f\r" {
			t.Errorf("got %q", *m.Body)
		}
	})
}

func TestDeadLetterStoresLargeBodiesInS3(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	var b bucket
	d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead"), Objects: &b, Bucket: "failures"}

	if m := write(t, h, d, deadLetter(strings.Repeat("x", sqsqueue.MaxDeadLetterBody))); len(*m.Body) != sqsqueue.MaxDeadLetterBody || len(b.objects) != 0 {
		t.Errorf("a body of exactly the limit: %d bytes in the dead letter, %d objects", len(*m.Body), len(b.objects))
	}

	body := strings.Repeat("x", sqsqueue.MaxDeadLetterBody) + "\x00"
	m := write(t, h, d, deadLetter(body))
	var p sqsqueue.DeadLetterPointer
	if err := json.Unmarshal([]byte(*m.Body), &p); err != nil {
		t.Fatal(err)
	}
	if attrs(m)[sqsqueue.AttrEncoding] != sqsqueue.EncodingS3 || p.Bucket != "failures" || p.Bytes != len(body) || !strings.HasPrefix(p.Key, "letters/messages/") {
		t.Errorf("pointer %+v, attributes %v", p, attrs(m))
	}
	if !bytes.Equal(b.objects[p.Bucket+"/"+p.Key], []byte(body)) {
		t.Errorf("the bucket holds %d bytes under the key", len(b.objects[p.Bucket+"/"+p.Key]))
	}

	// A second write has the same object. Another message of the same cause has
	// another.
	write(t, h, d, deadLetter(body))
	if len(b.objects) != 1 {
		t.Errorf("%d objects after the same dead letter twice, want 1", len(b.objects))
	}
	other := deadLetter(body + "other")
	other.Record.ID = "message-2"
	write(t, h, d, other)
	if len(b.objects) != 2 || string(b.objects[p.Bucket+"/"+p.Key]) != body {
		t.Errorf("%d objects, want 2, the first unchanged", len(b.objects))
	}
}

func TestDeadLetterErrorsOfLargeBodies(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such bucket")
	rows := []struct {
		name string
		d    sqsqueue.DeadLetters
		want string
	}{
		{"no bucket", sqsqueue.DeadLetters{}, "got a body of 204801 bytes, want at most 204800 without a bucket"},
		{"broken bucket", sqsqueue.DeadLetters{Bucket: "failures", Objects: &bucket{err: broken}}, broken.Error()},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			h := newMemory(t)
			r.d.Client, r.d.URL = h, h.queue("dead")
			if err := r.d.Write(t.Context(), deadLetter(strings.Repeat("x", sqsqueue.MaxDeadLetterBody+1))); err == nil || !strings.Contains(err.Error(), r.want) {
				t.Errorf("got %v, want an error with %q", err, r.want)
			}
			if len(h.singles) != 0 {
				t.Error("got a dead letter, want none")
			}
		})
	}
}

func TestDeadLetterErrorWrapsThatOfSQS(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	h.err = errors.New("throttled")
	if err := (sqsqueue.DeadLetters{Client: h, URL: "http://sqs.test/1/dead"}).Write(t.Context(), deadLetter("x")); !errors.Is(err, h.err) {
		t.Errorf("got %v, want the error of SQS", err)
	}
}

func TestDeadLettersKeepTheirGroupOnFIFO(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead.fifo")}
	fifo := deadLetter("x")
	fifo.Record.Source, fifo.Record.Group = "arn:aws:sqs:us-east-1:000000000000:jobs.fifo", "orders"
	fifo.Record.Attrs["MessageGroupId"] = "orders"
	stream := deadLetter("y")
	stream.Record.ID, stream.Record.Group = "49590338271490256608559692538361571095921575989136588898", `{"pk":"a b"}`
	stream.Record.Attrs = nil
	for _, l := range []pipeline.DeadLetter{fifo, stream, fifo} { // the third is a duplicate
		if err := d.Write(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, m := range h.receive(d.URL) {
		got = append(got, fmt.Sprintf("%s in %s", *m.Body, m.Attributes["MessageGroupId"]))
	}
	slices.Sort(got)
	if want := []string{"x in orders", "y in " + pipeline.DeriveID(stream.Record.Source, stream.Record.Group)}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRedriveKeepsCauseBodyAndTrace(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	m := write(t, h, sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}, deadLetter(`{"type":"x"}`))
	if r := redriven(t, m); r.Cause != "order-7" || string(r.Body) != `{"type":"x"}` || r.Attrs["traceparent"] != trace {
		t.Errorf("got %+v", r)
	}
}

// redriven returns the record of a dead letter that SQS moved back.
func redriven(t *testing.T, m types.Message) pipeline.Record {
	t.Helper()
	type attribute struct {
		StringValue string `json:"stringValue"`
		DataType    string `json:"dataType"`
	}
	attributes := map[string]attribute{}
	for name, text := range attrs(m) {
		attributes[name] = attribute{text, "String"}
	}
	event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"messageId": "another", "receiptHandle": "r", "body": *m.Body, "messageAttributes": attributes,
		"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := lambdaevent.Decode(event)
	if err != nil {
		t.Fatal(err)
	}
	return batch.Records[0]
}

// The attributes of the sender are kept while there is room, in the order of
// their names.
func TestDeadLetterKeepsAttributesOfTheSender(t *testing.T) {
	t.Parallel()
	h := newMemory(t)
	d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead")}
	l := deadLetter("x")
	maps.Copy(l.Record.Attrs, map[string]string{
		"receiptHandle": "AQEB", "SentTimestamp": "1767323045000", "SenderId": "AIDA", "ApproximateReceiveCount": "4",
		"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793", "MessageGroupId": "g", "sluice-old": "x",
		"tenant": "acme", "zone": "b", "too-long": strings.Repeat("x", 5000), "empty": "", "odd": "\x00",
	})
	got := attrs(write(t, h, d, l))
	if got["tenant"] != "acme" || got["zone"] != "b" || len(got) != 10 {
		t.Errorf("got %d attributes %v, want the eight of a dead letter, tenant and zone", len(got), got)
	}
	if r := redriven(t, write(t, h, d, l)); r.Attrs["tenant"] != "acme" {
		t.Errorf("redriven: got %v, want tenant acme", r.Attrs)
	}
	l.Record.Attrs["more"] = "m" // sorts before tenant, so zone has no room
	if got := attrs(write(t, h, d, l)); got["more"] != "m" || got["tenant"] != "acme" || len(got) != 10 {
		t.Errorf("got %d attributes %v, want the first that fit", len(got), got)
	}
	l.Record.Source = "arn:aws:s3:::uploads" // its attributes are not from a sender
	if got := attrs(write(t, h, d, l)); len(got) != 8 {
		t.Errorf("of an S3 event: got %d attributes %v, want the eight of a dead letter", len(got), got)
	}
}
