package sqsserver

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// encoded compares an output with what encoding/json makes of it, byte for byte.
func encoded(t *testing.T, out appender) string {
	t.Helper()
	want, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	got := out.appendJSON([]byte("before"))
	if string(got) != "before"+string(want) {
		t.Errorf("%T:\ngot  %s\nwant before%s", out, got, want)
	}
	return string(want)
}

// outputs are one of each kind, empty and full, with s wherever text goes.
func outputs(s string) []appender {
	text := s
	failed := []failedEntry{{ID: s, SenderFault: true, Code: s, Message: s}, {}}
	full := sendOutput{MessageID: s, MD5OfBody: s, MD5OfAttrs: s, MD5OfSystem: s, SequenceNumber: s}
	return []appender{
		&receiveOutput{}, &sendOutput{}, &sendBatchOutput{Successful: []sentEntry{}}, &handleBatchOutput{Successful: []doneEntry{}},
		&receiveOutput{Messages: []messageOutput{{}, {
			MessageID: s, ReceiptHandle: s, MD5OfBody: s, Body: s, MD5OfAttrs: s,
			Attributes: textPairs{{"SenderId", s}, {"SentTimestamp", s}},
			MessageAttrs: map[string]attributeValue{
				"a" + s: {DataType: s, StringValue: &text}, "b": {DataType: "Binary", BinaryValue: []byte(s)}, "c": {BinaryValue: []byte{}},
			},
		}}},
		&full,
		&sendBatchOutput{Successful: []sentEntry{{ID: s, sendOutput: full}, {}}, Failed: failed},
		&handleBatchOutput{Successful: []doneEntry{{ID: s}, {}}, Failed: failed},
	}
}

var oddTexts = []string{"", "x", `a"b\c/d`, "\x00\x01\b\f\n\r\t\x1f\x7f", "<script>&'", "é🎈\u2028\u2029\ufffd", "a\xffb\xc3", strings.Repeat("π", 100)}

func TestEncodeIsThatOfJSON(t *testing.T) {
	t.Parallel()
	for _, s := range oddTexts {
		for _, out := range outputs(s) {
			encoded(t, out)
		}
		// textPairs write themselves, so they are compared with a map.
		want, err := json.Marshal(map[string]string{"A" + s: s, "B": s})
		if err != nil {
			t.Fatal(err)
		}
		if got := (textPairs{{"A" + s, s}, {"B", s}}).appendJSON(nil); !bytes.Equal(got, want) {
			t.Errorf("pairs: got %s, want %s", got, want)
		}
	}
}

func FuzzEncodeIsThatOfJSON(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendText(nil, s); !bytes.Equal(got, want) {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
		if utf8.ValidString(s) {
			for _, out := range outputs(s) {
				encoded(t, out)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	out := &receiveOutput{}
	for range 10 {
		out.Messages = append(out.Messages, messageOutput{
			MessageID: strings.Repeat("m", 36), ReceiptHandle: strings.Repeat("h", 44), MD5OfBody: strings.Repeat("5", 32),
			Body: strings.Repeat("0123456789", 20), Attributes: textPairs{{"ApproximateReceiveCount", "1"}, {"SenderId", "000000000000"}, {"SentTimestamp", "1700000000000"}},
		})
	}
	b.Run("append", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = out.appendJSON(buf[:0])
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
