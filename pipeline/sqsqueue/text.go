package sqsqueue

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"sluice/pipeline"
)

// maxAttr limits the text of an attribute, in bytes, so that the attributes of a
// message stay far below the limit of SQS.
const maxAttr = 4 << 10

// sendable reports whether s has only the characters that SQS accepts, which are
// those of XML 1.0.
func sendable[T []byte | string](s T) bool {
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		}
		if !allowed(r) || r == utf8.RuneError && n == 1 {
			return false
		}
		i += n
	}
	return true
}

func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// fits reports whether s can be the value of an attribute.
func fits(s string) bool { return len(s) <= maxAttr && sendable(s) }

// causeText returns cause if it fits an attribute, or else an id derived from it.
// It does not truncate, because different causes must stay different.
func causeText(cause string) string {
	if fits(cause) {
		return cause
	}
	return pipeline.DeriveID(cause)
}

// clean replaces the characters of s that SQS does not accept and truncates it to
// limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !allowed(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// escapeJSON makes JSON text sendable. Characters that SQS does not accept occur
// only in JSON strings, where they can be escaped. Invalid UTF-8 becomes U+FFFD.
func escapeJSON(text []byte) string {
	if sendable(text) {
		return string(text)
	}
	var b strings.Builder
	for _, r := range string(text) {
		if allowed(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
