// Package jsonappend appends JSON strings to a byte slice, byte for byte as
// [encoding/json] writes them, without reflection and without allocating.
package jsonappend

import "unicode/utf8"

// HTML says whether the characters <, > and & are escaped.
type HTML bool

const (
	// KeepHTML leaves <, > and & as they are, as an encoding/json.Encoder does
	// after SetEscapeHTML(false). It is the zero value.
	KeepHTML HTML = false
	// EscapeHTML writes <, > and & as \u003c, \u003e and \u0026, as
	// encoding/json.Marshal does.
	EscapeHTML HTML = true
)

// Bits of class: what must be done about a byte of a string.
const (
	always   = 1 << iota // escaped in every string
	inHTML               // escaped under EscapeHTML
	nonASCII             // part of a longer UTF-8 sequence
)

// class has the bits of each byte; a byte without bits is copied.
var class = func() (c [256]byte) {
	for i := range ' ' {
		c[i] = always
	}
	c['"'], c['\\'] = always, always
	c['<'], c['>'], c['&'] = inHTML, inHTML, inHTML
	for i := utf8.RuneSelf; i < len(c); i++ {
		c[i] = nonASCII
	}
	return c
}()

const hexDigits = "0123456789abcdef"

// String appends s in quotes. Control characters, quotes and backslashes are
// escaped; so are U+2028 and U+2029, which end a line in JavaScript. Bytes that
// are not valid UTF-8 become U+FFFD.
func String(b []byte, s string, html HTML) []byte {
	special := byte(always | nonASCII)
	if html == EscapeHTML {
		special |= inHTML
	}
	b = append(b, '"')
	start := 0 // of the bytes that are copied unchanged
	for i := 0; i < len(s); {
		c := s[i]
		if class[c]&special == 0 {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscaped(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hexDigits[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
