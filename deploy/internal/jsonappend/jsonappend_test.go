package jsonappend

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// standard is s as encoding/json writes it.
func standard(t testing.TB, s string, html HTML) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html == EscapeHTML)
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func FuzzStringIsThatOfEncodingJSON(f *testing.F) {
	for c := range 0x100 {
		f.Add(string([]byte{'a', byte(c), 'b'}))
		f.Add("x" + string(rune(c)) + "y")
	}
	for _, s := range []string{
		"", "plain", "<a href='&'>", `a"b\c/d`, "a\"\\\"b", "\x00\x01\b\f\n\r\t\x1f\x7f",
		"\u2027\u2028\u2029\u202a", "é🎈\u2028\u2029\ufffd", "\U0001f600", "\ufffd",
		"\xe2\x80", "\xff\xfe", "\xed\xa0\x80", "a\xffb\xc3", strings.Repeat("π", 100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, html := range []HTML{KeepHTML, EscapeHTML} {
			want := "before" + standard(t, s, html)
			if got := string(String([]byte("before"), s, html)); got != want {
				t.Errorf("%q, EscapeHTML %v: got %s, want %s", s, html, got, want)
			}
		}
	})
}

func TestStringAllocatesNothingWithinCapacity(t *testing.T) {
	b := make([]byte, 0, 1000)
	s := strings.Repeat("<é\n\xff\u2028", 10)
	if n := testing.AllocsPerRun(100, func() { b = String(b[:0], s, EscapeHTML) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkString(b *testing.B) {
	for name, s := range map[string]string{
		"plain": strings.Repeat("0123456789", 100),
		"json":  strings.Repeat(`{"a":"b"}`, 100),
		"greek": strings.Repeat("π", 500),
	} {
		b.Run("text="+name, func(b *testing.B) {
			var buf []byte
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				buf = String(buf[:0], s, KeepHTML)
			}
		})
	}
}
