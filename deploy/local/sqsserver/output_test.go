package sqsserver

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/deploy/local/sqsserver/attribute"
	"sluice/deploy/local/sqsserver/queue"
)

// checkOutput compares appendOutput with encoding/json, byte for byte.
func checkOutput(t *testing.T, out any) {
	t.Helper()
	want, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := appendOutput([]byte("before"), out)
	if err != nil || string(got) != "before"+string(want) {
		t.Errorf("%T:\ngot  %s and the error %v\nwant before%s", out, got, err, want)
	}
}

// outputs are the outputs that are written without reflection, empty and full,
// with s in every text.
func outputs(s string) []any {
	text := s
	failed := []queue.FailedEntry{{ID: s, SenderFault: true, Code: s, Message: s}, {}}
	full := queue.SendMessageOutput{MessageID: s, MD5OfBody: s, MD5OfAttributes: s, MD5OfSystemAttributes: s, SequenceNumber: s}
	return []any{
		&queue.ReceiveMessageOutput{}, &queue.SendMessageOutput{},
		&queue.SendMessageBatchOutput{Successful: []queue.SentEntry{}}, &queue.BatchOutput{Successful: []queue.BatchEntry{}},
		&queue.ReceiveMessageOutput{Messages: []queue.ReceivedMessage{{}, {
			MessageID: s, ReceiptHandle: s, MD5OfBody: s, Body: s, MD5OfAttributes: s,
			SystemAttributes: queue.SystemAttributes{{Name: "SenderId", Value: s}, {Name: "SentTimestamp", Value: s}},
			Attributes: map[string]attribute.Value{
				"a" + s: {DataType: s, StringValue: &text}, "b": {DataType: "Binary", BinaryValue: []byte(s)}, "c": {BinaryValue: []byte{}},
			},
		}}},
		&full,
		&queue.SendMessageBatchOutput{Successful: []queue.SentEntry{{ID: s, SendMessageOutput: full}, {}}, Failed: failed},
		&queue.BatchOutput{Successful: []queue.BatchEntry{{ID: s}, {}}, Failed: failed},
		&queue.GetQueueAttributesOutput{Attributes: map[string]string{"Policy": s}}, // by encoding/json
	}
}

var oddTexts = []string{"", "x", `a"b\c/d`, "\x00\x01\b\f\n\r\t\x1f\x7f", "<script>&'", "é🎈\u2028\u2029\ufffd", "a\xffb\xc3", strings.Repeat("π", 100)}

func TestOutputIsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, s := range oddTexts {
		for _, out := range outputs(s) {
			checkOutput(t, out)
		}
		// SystemAttributes implement json.Marshaler, so they are compared with a map.
		want, err := json.Marshal(map[string]string{"A" + s: s, "B": s})
		if err != nil {
			t.Fatal(err)
		}
		if got := (queue.SystemAttributes{{Name: "A" + s, Value: s}, {Name: "B", Value: s}}).AppendJSON(nil); !bytes.Equal(got, want) {
			t.Errorf("system attributes: got %s, want %s", got, want)
		}
	}
}

func FuzzOutputIsThatOfEncodingJSON(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) { // encoding/json sorts names by their replacement
			for _, out := range outputs(s) {
				checkOutput(t, out)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	out := &queue.ReceiveMessageOutput{}
	for range 10 {
		out.Messages = append(out.Messages, queue.ReceivedMessage{
			MessageID: strings.Repeat("m", 36), ReceiptHandle: strings.Repeat("h", 44), MD5OfBody: strings.Repeat("5", 32),
			Body: strings.Repeat("0123456789", 20), SystemAttributes: queue.SystemAttributes{{Name: "ApproximateReceiveCount", Value: "1"}, {Name: "SenderId", Value: "000000000000"}, {Name: "SentTimestamp", Value: "1700000000000"}},
		})
	}
	b.Run("append", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = appendOutput(buf[:0], out)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(out); err != nil {
				b.Fatal(err)
			}
		}
	})
}
