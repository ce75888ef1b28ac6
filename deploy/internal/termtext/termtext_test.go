package termtext_test

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/deploy/internal/termtext"
)

// TestSafe: control characters are escaped, and other text stays.
func TestSafe(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                          "",
		"photo of Ümit, 日本 🎉.jpg":   "photo of Ümit, 日本 🎉.jpg",
		"\x1b]0;owned\x07\x1b[2Jx":  `\x1b]0;owned\a\x1b[2Jx`,
		"a\nb\r\tc":                 `a\nb\r\tc`,
		"\u202etxt.exe":             `\u202etxt.exe`,
		"\u009b31m":                 `\u009b31m`,
		"bad\xffbyte":               `bad\xffbyte`,
		"a real \ufffd replacement": `a real � replacement`,
	} {
		if got := termtext.Safe(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("\x1b[31mred\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := termtext.Safe(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q: got invalid UTF-8 %q", s, got)
		}
		for _, r := range got {
			if r < 0x20 || 0x7f <= r && r < 0xa0 {
				t.Fatalf("%q: got the control character %q", s, r)
			}
		}
	})
}

// TestWriterKeepsLinesAndTabs: the text of a table stays a table.
func TestWriterKeepsLinesAndTabs(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	const in = "a\tb\n\x1b[2Jc\r\n"
	if n, err := io.WriteString(termtext.NewWriter(&out), in); err != nil || n != len(in) {
		t.Errorf("got %d, %v, want %d", n, err, len(in))
	}
	if want := "a\tb\n\\x1b[2Jc\\r\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
