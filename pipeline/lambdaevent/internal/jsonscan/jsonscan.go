// Package jsonscan reads JSON in place, one value after the other, for readers
// that know what they look for and step over the rest.
package jsonscan

import (
	"fmt"
	"iter"
	"strings"
)

// maxNesting is encoding/json's own limit on nested values.
const maxNesting = 10_000

// A Scanner walks one JSON text from left to right, in place. It accepts what
// encoding/json accepts (FuzzScan holds the two side by side) and costs about
// a fifth of it, because the envelope around a record is mostly stepped over and
// the strings that are kept share two copies of the payload: data and text.
// What is rare in an envelope (escapes outside of bodies, \u, bytes that are not
// UTF-8) is left to encoding/json itself.
//
// Two kinds of errors: Err is a syntax error, after which the Scanner stands
// still; Field is the first value that is not what was asked for, which is
// stepped over, so that the rest can be read. Who has dealt with Field may set
// it to nil.
//
// A Scanner is not safe for concurrent use. A copy is a scanner of its own that
// goes on from the same place; of two copies only one may read bodies.
type Scanner struct {
	Err   *Error
	Field *Error

	data  []byte
	text  string // data, for strings that need no copy of their own
	pos   int
	depth int
	// room is where content unescapes: what is left of memory that the bodies of
	// one event share.
	room []byte
}

// New returns a scanner at the start of data, which it never changes. Bytes that
// it returns may be data's own.
func New(data []byte) *Scanner {
	return &Scanner{data: data, text: string(data)}
}

// Error says what is wrong with a value.
type Error struct {
	Field  string // the path to the value, like dynamodb.Keys; "" is the whole
	Reason string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + " " + e.Reason
}

// Path writes a path like NewImage.list[2].name, of which "[2]" is one element.
func Path(elements []string) string {
	return strings.ReplaceAll(strings.Join(elements, "."), ".[", "[")
}

// Failed returns the first error, of whatever sort, and nil if there is none.
func (s *Scanner) Failed() *Error {
	if s.Err != nil {
		return s.Err
	}
	return s.Field
}

// Problem notes what is wrong with a record, unless something is already.
func (s *Scanner) Problem(field, reason string) {
	if s.Field == nil {
		s.Field = &Error{Field: field, Reason: reason}
	}
}

// Mistyped notes that the value under field is not a want, and steps over it.
func (s *Scanner) Mistyped(field []string, want string) {
	s.Problem(strings.Join(field, "."), "is not "+want)
	s.Skip()
}

func (s *Scanner) syntax(what string) {
	if s.Err == nil {
		s.Err = &Error{Reason: fmt.Sprintf("is not JSON: %s at byte %d", what, s.pos)}
	}
}

// Offset is the place in the text, in bytes.
func (s *Scanner) Offset() int { return s.pos }

// From returns the text from an offset to the place where the scanner stands.
func (s *Scanner) From(offset int) []byte { return s.data[offset:s.pos:s.pos] }

// Peek returns the first byte of the next value or sign, and 0 at the end.
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

// End asks that nothing but white space is left.
func (s *Scanner) End() {
	if s.Peek() != 0 || s.Err == nil && s.pos < len(s.data) {
		s.syntax("more than one value")
	}
}

// Null steps over a null and reports whether there was one.
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
	s.syntax("a broken literal")
}

// Members yields the names of the object that comes next. The loop's body must
// consume each value. A null has no members.
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
				s.syntax("no member name")
				return
			}
			name := s.token().string(s)
			if s.Peek() != ':' {
				s.syntax("no colon")
				return
			}
			s.pos++
			if !yield(name) {
				return
			}
		}
	}
}

// Elements yields the positions in the list that comes next. The loop's body
// must consume each value. A null has no elements.
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

// enter steps over the sign that opens an object or a list.
func (s *Scanner) enter() {
	if s.depth++; s.depth > maxNesting {
		s.syntax("nested too deep")
		return
	}
	s.pos++
}

// more reports whether another member or element comes, else it steps over the
// closing sign.
func (s *Scanner) more(closing byte) bool {
	if s.Peek() == closing {
		s.pos++
		s.depth--
		return false
	}
	return s.Err == nil
}

// comma steps over the sign between two members or elements; before the closing
// sign there is none.
func (s *Scanner) comma(closing byte) {
	switch c := s.Peek(); {
	case c == closing:
	case c == ',':
		s.pos++
		if s.Peek() == closing {
			s.syntax("nothing after a comma")
		}
	default:
		s.syntax("no comma")
	}
}

// Raw returns the value that comes next as it stands in the payload.
func (s *Scanner) Raw() []byte {
	s.Peek()
	start := s.pos
	s.Skip()
	return s.From(start)
}

// Skip steps over the value that comes next.
func (s *Scanner) Skip() {
	switch c := s.Peek(); {
	case s.Err != nil:
	case c == '"':
		s.token()
	case c == '{':
		for s.enter(); s.more('}'); s.comma('}') {
			if s.Peek() != '"' {
				s.syntax("no member name")
				return
			}
			s.token()
			if s.Peek() != ':' {
				s.syntax("no colon")
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
		s.syntax("no value")
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
		s.syntax("a broken number")
	}
}
