package sqsqueue

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAllowedCharactersAreThoseOfXML(t *testing.T) {
	t.Parallel()
	for _, r := range []rune{'\t', '\n', '\r', ' ', 0x7F, 0x85, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x10FFFF} {
		if !allowed(r) || !sendable(string(r)) {
			t.Errorf("%U: got not allowed, want allowed", r)
		}
	}
	for _, r := range []rune{0, 8, 0xB, 0xC, 0x1F, 0xFFFE, 0xFFFF} {
		if allowed(r) || sendable(string(r)) || sendable([]byte("ok"+string(r)+"ok")) {
			t.Errorf("%U: got allowed, want not allowed", r)
		}
	}
	for _, s := range []string{"\xff", "ok\xc3", "\xed\xa0\x80", "\xf0\x9f\x98"} {
		if sendable(s) {
			t.Errorf("%q: got sendable, want not", s)
		}
	}
}

func TestCleanFitsTheLimit(t *testing.T) {
	t.Parallel()
	for limit := 3; limit < 12; limit++ {
		for _, s := range []string{"", "abc", strings.Repeat("ü", 8), strings.Repeat("😀", 4), "a" + strings.Repeat("€", 5), strings.Repeat("\xff", 12)} {
			got := clean(s, limit)
			if len(got) > limit || !utf8.ValidString(got) || !sendable(got) {
				t.Errorf("clean(%q, %d) = %q", s, limit, got)
			}
			if whole := strings.ToValidUTF8(s, "\uFFFD"); s != strings.Repeat("\xff", 12) && len(s) <= limit && got != whole {
				t.Errorf("clean(%q, %d) = %q, want it unchanged", s, limit, got)
			}
		}
	}
}

func FuzzEscapeJSON(f *testing.F) {
	for _, s := range []string{"", "a", "a\uFFFEb", "\x00\x1f\x7f", "\xff", "é😀\u2028", `\uffff`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := json.Marshal(map[string]string{s: s})
		if err != nil {
			t.Fatal(err)
		}
		text := escapeJSON(b)
		if !sendable(text) {
			t.Errorf("%q: got not sendable", text)
		}
		var before, after map[string]string
		if err := json.Unmarshal(b, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &after); err != nil {
			t.Fatal(err)
		}
		for k, v := range before {
			if got, ok := after[k]; !ok || got != v {
				t.Errorf("got %q, want %q", after, before)
			}
		}
	})
}
