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
	digest = "0123456789abcdef0123456789abcdef"
	mine   = "letters/messages/" + digest
)

// opened runs the handler that Open gives on r, and tells what the worker's own
// handler saw.
func opened(t *testing.T, d sqsqueue.DeadLetters, r pipeline.Record) (saw *pipeline.Record, err error) {
	t.Helper()
	err = d.Open(func(_ context.Context, r pipeline.Record) error {
		saw = &r
		return nil
	})(t.Context(), r)
	return saw, err
}

// TestRedriveGivesBackWhatWasSent: whatever a letter did to a body, its worker
// sees the body, and the second letter is the first again.
func TestRedriveGivesBackWhatWasSent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, encoding string
		objects              int
	}{
		{"plain", `{"type":"x"}`, "", 0},
		{"empty", "", sqsqueue.EncodingBase64, 0},
		{"a zero byte", "a\x00b", sqsqueue.EncodingBase64, 0},
		{"200 KB that a queue does not take", strings.Repeat("\x00", sqsqueue.MaxDeadLetterBody), sqsqueue.EncodingBase64, 0},
		{"300 KB", strings.Repeat("x", 300<<10), sqsqueue.EncodingS3, 1},
		{"300 KB with a zero byte", strings.Repeat("x", 300<<10) + "\x00", sqsqueue.EncodingS3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, b := newMemory(t), &bucket{}
			d := sqsqueue.DeadLetters{Client: h, URL: h.queue("dead"), Worker: "messages", Objects: b, Bucket: "failures"}
			first := write(t, h, d, letter(tt.body))
			r := redriven(t, first)
			for range 2 { // redriven, failed, and redriven again
				saw, err := opened(t, d, r)
				if err != nil || string(saw.Body) != tt.body || saw.Cause != "order-7" || saw.Attrs[sqsqueue.AttrEncoding] != "" {
					t.Fatalf("the handler saw %+.100v, %v, want the body that was sent", saw, err)
				}
				again := letter("")
				again.Record = r
				m := write(t, h, d, again)
				if *m.Body != *first.Body || attrs(m)[sqsqueue.AttrEncoding] != tt.encoding {
					t.Errorf("the next letter: got %.60q as %q, want %.60q as %q", *m.Body, attrs(m)[sqsqueue.AttrEncoding], *first.Body, tt.encoding)
				}
				r = redriven(t, m)
			}
			if len(b.objects) != tt.objects || b.puts != tt.objects {
				t.Errorf("%d objects by %d writes, want %d: what is there already is not written again", len(b.objects), b.puts, tt.objects)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
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
		{"an unknown encoding", "gzip", "x", nil, `sluice-encoding is "gzip", known are "base64" and "s3"`, 0},
		{"no base64", sqsqueue.EncodingBase64, "{}", nil, "sluice-encoding is base64, but the body is not", 0},
		{"no pointer", sqsqueue.EncodingS3, "x", nil, "the body points nowhere", 0},
		{"another bucket", sqsqueue.EncodingS3, pointer("secrets", mine, 5), nil, `points to "secrets/` + mine, 0},
		{"another worker's letters", sqsqueue.EncodingS3, pointer("failures", "letters/changes/"+digest, 5), nil, "no letter under", 0},
		{"another prefix", sqsqueue.EncodingS3, pointer("failures", "aws/lambda/x.json", 5), nil, "no letter under", 0},
		{"a way out of the prefix", sqsqueue.EncodingS3, pointer("failures", "letters/messages/../../aws/lambda/x.json", 5), nil, "no letter under", 0},
		{"no digest", sqsqueue.EncodingS3, pointer("failures", "letters/messages/"+strings.Repeat("g", 32), 5), nil, "no letter under", 0},
		{"no bytes", sqsqueue.EncodingS3, pointer("failures", mine, 0), nil, "0 bytes", 0},
		{"bytes below zero", sqsqueue.EncodingS3, pointer("failures", mine, -1), nil, "-1 bytes", 0},
		{"too many bytes", sqsqueue.EncodingS3, pointer("failures", mine, 6<<20+1), nil, "6291457 bytes", 0},
		{"an object that is gone", sqsqueue.EncodingS3, pointer("failures", mine, 5), nil, "is gone", 1},
		{"a longer object", sqsqueue.EncodingS3, pointer("failures", mine, 5), map[string][]byte{"failures/" + mine: []byte("123456")}, "is not of the 5 bytes", 1},
		{"a shorter object", sqsqueue.EncodingS3, pointer("failures", mine, 5), map[string][]byte{"failures/" + mine: []byte("1234")}, "is not of the 5 bytes", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &bucket{objects: tt.objects}
			d := sqsqueue.DeadLetters{Worker: "messages", Objects: b, Bucket: "failures"}
			saw, err := opened(t, d, pipeline.Record{ID: "1", Body: []byte(tt.body), Attrs: map[string]string{sqsqueue.AttrEncoding: tt.encoding}})
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tt.want) || saw != nil {
				t.Errorf("got %v, the handler saw %v, want a permanent error with %q", err, saw, tt.want)
			}
			if b.gets != tt.gets {
				t.Errorf("%d objects were asked for, want %d", b.gets, tt.gets)
			}
		})
	}
}

func TestOpenWithoutABucket(t *testing.T) {
	t.Parallel()
	r := pipeline.Record{Body: []byte(`{"bucket":"","key":"` + mine + `","bytes":5}`), Attrs: map[string]string{sqsqueue.AttrEncoding: sqsqueue.EncodingS3}}
	if _, err := opened(t, sqsqueue.DeadLetters{Worker: "messages"}, r); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "this worker has none for letters") {
		t.Errorf("got %v, want a permanent error", err)
	}
}

// TestOpenTriesAgain: a store that does not answer is no fault of the letter.
func TestOpenTriesAgain(t *testing.T) {
	t.Parallel()
	away := errors.New("503")
	d := sqsqueue.DeadLetters{Worker: "messages", Objects: &bucket{err: away}, Bucket: "failures"}
	r := pipeline.Record{Body: []byte(`{"bucket":"failures","key":"` + mine + `","bytes":5}`), Attrs: map[string]string{sqsqueue.AttrEncoding: sqsqueue.EncodingS3}}
	if _, err := opened(t, d, r); !errors.Is(err, away) || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), mine) {
		t.Errorf("got %v, want the store's error, to be retried", err)
	}
}

// TestOpenLeavesTheRecordAlone: its letter is written of what came.
func TestOpenLeavesTheRecordAlone(t *testing.T) {
	t.Parallel()
	r := pipeline.Record{Body: []byte("YQ=="), Attrs: map[string]string{sqsqueue.AttrEncoding: sqsqueue.EncodingBase64, "tenant": "acme"}}
	before := maps.Clone(r.Attrs)
	saw, err := opened(t, sqsqueue.DeadLetters{Worker: "messages"}, r)
	if err != nil || string(saw.Body) != "a" || saw.Attrs["tenant"] != "acme" {
		t.Errorf("the handler saw %+v, %v", saw, err)
	}
	if string(r.Body) != "YQ==" || !maps.Equal(r.Attrs, before) {
		t.Errorf("the record is now %+v", r)
	}
	plain := pipeline.Record{Body: []byte("x"), Attrs: map[string]string{"a": "b"}}
	if saw, err := opened(t, sqsqueue.DeadLetters{}, plain); err != nil || !slices.Equal(saw.Body, plain.Body) {
		t.Errorf("a record that is no letter: got %+v, %v", saw, err)
	}
}
