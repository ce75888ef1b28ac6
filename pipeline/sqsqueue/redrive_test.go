package sqsqueue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
)

const (
	digest    = "0123456789abcdef0123456789abcdef"
	objectKey = "letters/messages/" + digest
)

// opened handles r with the handler that Open returns, and returns the record that
// the wrapped handler received.
func opened(t *testing.T, d sqsqueue.DeadLetters, r pipeline.Record) (got *pipeline.Record, err error) {
	t.Helper()
	err = d.Open(func(_ context.Context, r pipeline.Record) error {
		got = &r
		return nil
	})(t.Context(), r)
	return got, err
}

// The handler receives the original body in every encoding. If it fails again, the
// second dead letter equals the first.
func TestRedriveRestoresTheBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, encoding string
		objects              int
	}{
		{"plain", `{"type":"x"}`, "", 0},
		{"empty", "", sqsqueue.EncodingBase64, 0},
		{"a zero byte", "a\x00b", sqsqueue.EncodingBase64, 0},
		{"200 KB of characters that SQS does not accept", strings.Repeat("\x00", sqsqueue.MaxDeadLetterBody), sqsqueue.EncodingBase64, 0},
		{"300 KB", strings.Repeat("x", 300<<10), sqsqueue.EncodingS3, 1},
		{"300 KB with a zero byte", strings.Repeat("x", 300<<10) + "\x00", sqsqueue.EncodingS3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, b := newMemory(t), &bucket{}
			d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead"), Worker: "messages", Objects: b, Bucket: "failures"}
			first := write(t, h, d, deadLetter(tt.body))
			r := redriven(t, first)
			for range 2 { // redriven, failed, and redriven again
				got, err := opened(t, d, r)
				if err != nil || string(got.Body) != tt.body || got.Cause != "order-7" || got.Attrs[sqsqueue.AttrEncoding] != "" {
					t.Fatalf("the handler received %+.100v, %v, want the original body", got, err)
				}
				again := deadLetter("")
				again.Record = r
				m := write(t, h, d, again)
				if *m.Body != *first.Body || attrs(m)[sqsqueue.AttrEncoding] != tt.encoding {
					t.Errorf("the next dead letter: got %.60q as %q, want %.60q as %q", *m.Body, attrs(m)[sqsqueue.AttrEncoding], *first.Body, tt.encoding)
				}
				r = redriven(t, m)
			}
			if len(b.objects) != tt.objects || b.puts != tt.objects {
				t.Errorf("%d objects by %d writes, want %d: an existing object is not written again", len(b.objects), b.puts, tt.objects)
			}
		})
	}
}

func TestOpenRejectsInvalidDeadLetters(t *testing.T) {
	t.Parallel()
	pointer := func(bucket, key string, bytes int) string {
		return fmt.Sprintf(`{"bucket":%q,"key":%q,"bytes":%d}`, bucket, key, bytes)
	}
	for _, tt := range []struct {
		name, encoding, body string
		objects              map[string][]byte
		want                 string
		gets                 int
	}{
		{"an unknown encoding", "gzip", "x", nil, `sluice-encoding is "gzip", want "base64" or "s3"`, 0},
		{"no base64", sqsqueue.EncodingBase64, "{}", nil, `sluice-encoding is "base64", but the body is not base64`, 0},
		{"no pointer", sqsqueue.EncodingS3, "x", nil, "the body is not a pointer", 0},
		{"another bucket", sqsqueue.EncodingS3, pointer("secrets", objectKey, 5), nil, `got "secrets/` + objectKey, 0},
		{"another worker's dead letters", sqsqueue.EncodingS3, pointer("failures", "letters/changes/"+digest, 5), nil, "want a dead letter under", 0},
		{"another prefix", sqsqueue.EncodingS3, pointer("failures", "aws/lambda/x.json", 5), nil, "want a dead letter under", 0},
		{"a path out of the prefix", sqsqueue.EncodingS3, pointer("failures", "letters/messages/../../aws/lambda/x.json", 5), nil, "want a dead letter under", 0},
		{"no digest", sqsqueue.EncodingS3, pointer("failures", "letters/messages/"+strings.Repeat("g", 32), 5), nil, "want a dead letter under", 0},
		{"no bytes", sqsqueue.EncodingS3, pointer("failures", objectKey, 0), nil, "got 0 bytes", 0},
		{"bytes below zero", sqsqueue.EncodingS3, pointer("failures", objectKey, -1), nil, "got -1 bytes", 0},
		{"too many bytes", sqsqueue.EncodingS3, pointer("failures", objectKey, 6<<20+1), nil, "got 6291457 bytes", 0},
		{"an object that is gone", sqsqueue.EncodingS3, pointer("failures", objectKey, 5), nil, "is gone", 1},
		{"a longer object", sqsqueue.EncodingS3, pointer("failures", objectKey, 5), map[string][]byte{"failures/" + objectKey: []byte("123456")}, "another size than the 5 bytes", 1},
		{"a shorter object", sqsqueue.EncodingS3, pointer("failures", objectKey, 5), map[string][]byte{"failures/" + objectKey: []byte("1234")}, "another size than the 5 bytes", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &bucket{objects: tt.objects}
			d := sqsqueue.DeadLetters{Worker: "messages", Objects: b, Bucket: "failures"}
			got, err := opened(t, d, pipeline.Record{ID: "1", Body: []byte(tt.body), Attrs: map[string]string{sqsqueue.AttrEncoding: tt.encoding}})
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tt.want) || got != nil {
				t.Errorf("got %v, the handler received %v, want a permanent error with %q", err, got, tt.want)
			}
			if b.gets != tt.gets {
				t.Errorf("got %d requests for objects, want %d", b.gets, tt.gets)
			}
		})
	}
}

func TestOpenWithoutABucketIsPermanent(t *testing.T) {
	t.Parallel()
	r := pipeline.Record{Body: []byte(`{"bucket":"","key":"` + objectKey + `","bytes":5}`), Attrs: map[string]string{sqsqueue.AttrEncoding: sqsqueue.EncodingS3}}
	if _, err := opened(t, sqsqueue.DeadLetters{Worker: "messages"}, r); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "this worker has no bucket for dead letters") {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestOpenRetriesErrorsOfS3(t *testing.T) {
	t.Parallel()
	away := errors.New("503")
	d := sqsqueue.DeadLetters{Worker: "messages", Objects: &bucket{err: away}, Bucket: "failures"}
	r := pipeline.Record{Body: []byte(`{"bucket":"failures","key":"` + objectKey + `","bytes":5}`), Attrs: map[string]string{sqsqueue.AttrEncoding: sqsqueue.EncodingS3}}
	if _, err := opened(t, d, r); !errors.Is(err, away) || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), objectKey) {
		t.Errorf("got %v, want the error of S3, not permanent", err)
	}
}

// A dead letter of the record is written from the encoded body.
func TestOpenDoesNotChangeTheRecord(t *testing.T) {
	t.Parallel()
	r := pipeline.Record{Body: []byte("YQ=="), Attrs: map[string]string{sqsqueue.AttrEncoding: sqsqueue.EncodingBase64, "tenant": "acme"}}
	before := maps.Clone(r.Attrs)
	got, err := opened(t, sqsqueue.DeadLetters{Worker: "messages"}, r)
	if err != nil || string(got.Body) != "a" || got.Attrs["tenant"] != "acme" {
		t.Errorf("the handler received %+v, %v, want body a and tenant acme", got, err)
	}
	if string(r.Body) != "YQ==" || !maps.Equal(r.Attrs, before) {
		t.Errorf("got the record %+v, want it unchanged", r)
	}
	plain := pipeline.Record{Body: []byte("x"), Attrs: map[string]string{"a": "b"}}
	if got, err := opened(t, sqsqueue.DeadLetters{}, plain); err != nil || !slices.Equal(got.Body, plain.Body) {
		t.Errorf("a record that is not a dead letter: got %+v, %v, want it unchanged", got, err)
	}
}
