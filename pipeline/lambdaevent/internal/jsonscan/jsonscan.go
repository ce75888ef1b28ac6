// Package jsonscan scans JSON in place, one value after the other, for decoders
// that need a few values and skip the rest.
package jsonscan

import (
	"fmt"
	"iter"
	"strings"
)

// maxNesting is encoding/json's own limit on nested values.
const maxNesting = 10_000

// A Scanner scans one JSON text from left to right, in place. It accepts the same
// texts as encoding/json, which FuzzScan compares, at about a fifth of the time:
// it skips most of a record's envelope, and the strings that it returns share
// the payload or one copy of it. It leaves rare input (escapes outside of bodies,
// \u, invalid UTF-8) to encoding/json.
//
// There are two kinds of errors. Err is a syntax error, after which the Scanner
// does not move. Field is the first value of the wrong type; the Scanner skips
// it and continues. A caller that has handled Field may set it to nil.
//
// A Scanner is not safe for concurrent use. A copy is an independent scanner at
// the same position, but only one of the two may call Bytes.
type Scanner struct {
	Err   *Error
	Field *Error

	data  []byte
	text  string // data, for strings that need no copy of their own
	pos   int
	depth int
	// room is the free part of the buffer for unescaped bodies.
	room []byte
}

// New returns a scanner at the start of data. It does not change data, and may
// return slices of it.
func New(data []byte) *Scanner {
	return &Scanner{data: data, text: string(data)}
}

// Error describes an invalid value.
type Error struct {
	Field  string // the path of the value, such as dynamodb.Keys, or ""
	Reason string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + " " + e.Reason
}

// Path joins elements to a path such as NewImage.list[2].name, in which "[2]" is
// one element.
func Path(elements []string) string {
	return strings.ReplaceAll(strings.Join(elements, "."), ".[", "[")
}

// Failed returns Err or else Field.
func (s *Scanner) Failed() *Error {
	if s.Err != nil {
		return s.Err
	}
	return s.Field
}

// Problem sets Field, unless it is set already.
func (s *Scanner) Problem(field, reason string) {
	if s.Field == nil {
		s.Field = &Error{Field: field, Reason: reason}
	}
}

// Mistyped reports that the next value, at field, is not a want, and skips it.
func (s *Scanner) Mistyped(field []string, want string) {
	s.Problem(strings.Join(field, "."), "is not "+want)
	s.Skip()
}

func (s *Scanner) syntax(what string) {
	if s.Err == nil {
		s.Err = &Error{Reason: fmt.Sprintf("is not JSON: %s at byte %d", what, s.pos)}
	}
}

// Offset returns the position in the text, in bytes.
func (s *Scanner) Offset() int { return s.pos }

// From returns the text from offset to the current position.
func (s *Scanner) From(offset int) []byte { return s.data[offset:s.pos:s.pos] }

// Peek returns the first byte of the next token, or 0 at the end.
func (s *Scanner) Peek() byte {
	if s.Err != nil {
		return 0
	}
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// End reports a syntax error if more than white space is left.
func (s *Scanner) End() {
	if s.Peek() != 0 || s.Err == nil && s.pos < len(s.data) {
		s.syntax("more than one value")
	}
}

// Null skips a null and reports whether there was one.
func (s *Scanner) Null() bool {
	if s.Peek() != 'n' {
		return false
	}
	s.literal("null")
	return true
}

func (s *Scanner) literal(want string) {
	if end := s.pos + len(want); end <= len(s.data) && s.text[s.pos:end] == want {
		s.pos = end
		return
	}
	s.syntax("invalid literal")
}

// Members yields the names of the next object. The loop body must consume each
// value. A null has no members.
func (s *Scanner) Members(field ...string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.Peek() != '{' {
			if !s.Null() {
				s.Mistyped(field, "an object")
			}
			return
		}
		for s.enter(); s.more('}'); s.comma('}') {
			if s.Peek() != '"' {
				s.syntax("missing member name")
				return
			}
			name := s.token().string(s)
			if s.Peek() != ':' {
				s.syntax("missing colon")
				return
			}
			s.pos++
			if !yield(name) {
				return
			}
		}
	}
}

// Elements yields the positions in the next array. The loop body must consume
// each value. A null has no elements.
func (s *Scanner) Elements(field ...string) iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.Peek() != '[' {
			if !s.Null() {
				s.Mistyped(field, "a list")
			}
			return
		}
		i := 0
		for s.enter(); s.more(']'); s.comma(']') {
			if !yield(i) {
				return
			}
			i++
		}
	}
}

// enter skips the bracket that opens an object or an array.
func (s *Scanner) enter() {
	if s.depth++; s.depth > maxNesting {
		s.syntax("nested too deeply")
		return
	}
	s.pos++
}

// more reports whether there is another member or element, or else skips the
// closing bracket.
func (s *Scanner) more(closing byte) bool {
	if s.Peek() == closing {
		s.pos++
		s.depth--
		return false
	}
	return s.Err == nil
}

// comma skips the comma between two members or elements.
func (s *Scanner) comma(closing byte) {
	switch c := s.Peek(); {
	case c == closing:
	case c == ',':
		s.pos++
		if s.Peek() == closing {
			s.syntax("missing value after a comma")
		}
	default:
		s.syntax("missing comma")
	}
}

// Raw returns the text of the next value.
func (s *Scanner) Raw() []byte {
	s.Peek()
	start := s.pos
	s.Skip()
	return s.From(start)
}

// Skip skips the next value.
func (s *Scanner) Skip() {
	switch c := s.Peek(); {
	case s.Err != nil:
	case c == '"':
		s.token()
	case c == '{':
		for s.enter(); s.more('}'); s.comma('}') {
			if s.Peek() != '"' {
				s.syntax("missing member name")
				return
			}
			s.token()
			if s.Peek() != ':' {
				s.syntax("missing colon")
				return
			}
			s.pos++
			s.Skip()
		}
	case c == '[':
		for s.enter(); s.more(']'); s.comma(']') {
			s.Skip()
		}
	case c == '-' || '0' <= c && c <= '9':
		s.skipNumber()
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.syntax("missing value")
	}
}

func (s *Scanner) skipNumber() {
	if s.data[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
	} else {
		s.skipDigits()
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		s.skipDigits()
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		s.skipDigits()
	}
}

func (s *Scanner) skipDigits() {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		s.syntax("invalid number")
	}
}
