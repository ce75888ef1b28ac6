package lambdaevent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math/bits"
	"strings"
	"time"
	"unicode/utf8"
)

// maxNesting is encoding/json's own limit on nested values.
const maxNesting = 10_000

// A scanner walks one JSON text from left to right, in place. It accepts what
// encoding/json accepts (FuzzScan holds the two side by side) and costs about
// a fifth of it, because the envelope around a record is mostly stepped over and
// the strings that are kept share two copies of the payload: data and text.
// What is rare in an envelope (escapes outside of bodies, \u, bytes that are not
// UTF-8) is left to encoding/json itself.
//
// Two kinds of errors: err is a syntax error, after which the scanner stands
// still; field is the first value that has another type than was asked for,
// which is stepped over, so that the rest of the record can be read.
type scanner struct {
	data  []byte
	text  string // data, for strings that need no copy of their own
	pos   int
	depth int
	err   *EventError
	field *EventError
	// room is where content unescapes: what is left of memory that the bodies of
	// one event share.
	room []byte
	// source is the eventSource of the record that was read last.
	source string
}

func newScanner(data []byte) *scanner {
	return &scanner{data: data, text: string(data)}
}

func (s *scanner) syntax(what string) {
	if s.err == nil {
		s.err = &EventError{Reason: fmt.Sprintf("is not JSON: %s at byte %d", what, s.pos)}
	}
}

// mistyped notes that the value under field is not a want, and steps over it.
func (s *scanner) mistyped(field []string, want string) {
	s.problem(joined(field), "is not "+want)
	s.skip()
}

// problem notes what is wrong with a record, unless something is already.
func (s *scanner) problem(field, reason string) {
	if s.field == nil {
		s.field = &EventError{Field: field, Reason: reason}
	}
}

// failed returns the first error, of whatever sort, and nil if there is none.
func (s *scanner) failed(form string) error {
	switch {
	case s.err != nil:
		return s.err.within(form, "")
	case s.field != nil:
		return s.field.within(form, "")
	}
	return nil
}

func joined(field []string) string { return strings.Join(field, ".") }

// peek returns the first byte of the next value or sign, and 0 at the end.
func (s *scanner) peek() byte {
	if s.err != nil {
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

// end asks that nothing but white space is left.
func (s *scanner) end() {
	if s.peek() != 0 || s.err == nil && s.pos < len(s.data) {
		s.syntax("more than one value")
	}
}

// null steps over a null and reports whether there was one.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.literal("null")
	return true
}

func (s *scanner) literal(want string) {
	if end := s.pos + len(want); end <= len(s.data) && s.text[s.pos:end] == want {
		s.pos = end
		return
	}
	s.syntax("a broken literal")
}

// members yields the names of the object that comes next. The loop's body must
// consume each value. A null has no members.
func (s *scanner) members(field ...string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.peek() != '{' {
			if !s.null() {
				s.mistyped(field, "an object")
			}
			return
		}
		for s.enter(); s.more('}'); s.comma('}') {
			if s.peek() != '"' {
				s.syntax("no member name")
				return
			}
			name := s.token().string(s)
			if s.peek() != ':' {
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

// elements yields the positions in the list that comes next. The loop's body
// must consume each value. A null has no elements.
func (s *scanner) elements(field ...string) iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.peek() != '[' {
			if !s.null() {
				s.mistyped(field, "a list")
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
func (s *scanner) enter() {
	if s.depth++; s.depth > maxNesting {
		s.syntax("nested too deep")
		return
	}
	s.pos++
}

// more reports whether another member or element comes, else it steps over the
// closing sign.
func (s *scanner) more(closing byte) bool {
	if s.peek() == closing {
		s.pos++
		s.depth--
		return false
	}
	return s.err == nil
}

// comma steps over the sign between two members or elements; before the closing
// sign there is none.
func (s *scanner) comma(closing byte) {
	switch c := s.peek(); {
	case c == closing:
	case c == ',':
		s.pos++
		if s.peek() == closing {
			s.syntax("nothing after a comma")
		}
	default:
		s.syntax("no comma")
	}
}

// str returns the string that comes next, and "" for null.
func (s *scanner) str(field ...string) string {
	if s.peek() == '"' {
		return s.token().string(s)
	}
	if !s.null() {
		s.mistyped(field, "a string")
	}
	return ""
}

// bytes returns the string that comes next as bytes, which may be the payload's
// own, and nil for null.
func (s *scanner) bytes(field ...string) []byte {
	if s.peek() == '"' {
		return s.content()
	}
	if !s.null() {
		s.mistyped(field, "a string")
	}
	return nil
}

// number returns the text of the number that comes next, and "" for null.
func (s *scanner) number(field ...string) string {
	if c := s.peek(); c == '-' || '0' <= c && c <= '9' {
		start := s.pos
		s.skipNumber()
		return s.text[start:s.pos]
	}
	if !s.null() {
		s.mistyped(field, "a number")
	}
	return ""
}

// rfc3339 returns the time that comes next, and zero for null.
func (s *scanner) rfc3339(field ...string) time.Time {
	text := s.str(field...)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.problem(joined(field), fmt.Sprintf("is not a time: %q", text))
	}
	return t.UTC()
}

// raw returns the value that comes next as it stands in the payload.
func (s *scanner) raw() []byte {
	s.peek()
	start := s.pos
	s.skip()
	return s.data[start:s.pos:s.pos]
}

// skip steps over the value that comes next.
func (s *scanner) skip() {
	switch c := s.peek(); {
	case s.err != nil:
	case c == '"':
		s.token()
	case c == '{':
		for s.enter(); s.more('}'); s.comma('}') {
			if s.peek() != '"' {
				s.syntax("no member name")
				return
			}
			s.token()
			if s.peek() != ':' {
				s.syntax("no colon")
				return
			}
			s.pos++
			s.skip()
		}
	case c == '[':
		for s.enter(); s.more(']'); s.comma(']') {
			s.skip()
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

func (s *scanner) skipNumber() {
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

func (s *scanner) skipDigits() {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		s.syntax("a broken number")
	}
}

// A token is a string's place: data[start:end] lies between its quotes.
type token struct {
	start, end int
	escaped    bool // holds a backslash, or bytes that are not UTF-8
}

// Eight copies of a byte, for eight bytes of a string at a time.
const (
	ones      = 0x0101010101010101
	highs     = 0x80 * ones
	quotes    = '"' * ones
	slashes   = '\\' * ones
	controls  = 0x20 * ones
	wordBytes = 8

	roomBytes = 16 << 10 // is enough for a dozen bodies
)

// word returns data[i:i+8] with the first byte lowest.
func word(data []byte, i int) uint64 { return binary.LittleEndian.Uint64(data[i:]) }

// zeros marks the zero bytes of w by their high bit. Bytes above the first mark
// may be marked without cause (the subtraction borrows from them), never below.
func zeros(w uint64) uint64 { return (w - ones) &^ w & highs }

// stops marks the first byte of w that a string cannot hold as it is: a quote, a
// backslash, or a byte below 0x20, which borrows and has no high bit.
func stops(w uint64) uint64 {
	return zeros(w^quotes) | zeros(w^slashes) | (w-controls)&^w&highs
}

// token steps over the string that comes next.
func (s *scanner) token() token {
	s.pos++
	t := token{start: s.pos}
	data, i := s.data, s.pos
	var high uint64
	for {
		for i+wordBytes <= len(data) {
			w := word(data, i)
			k := bits.TrailingZeros64(stops(w)) / 8
			i += k
			if k < wordBytes {
				high |= w & (1<<(8*k) - 1)
				break
			}
			high |= w
		}
		for i < len(data) && data[i] != '"' && data[i] != '\\' && data[i] >= 0x20 {
			high |= uint64(data[i])
			i++
		}
		switch {
		case i < len(data) && data[i] == '"':
			t.end = i
			t.escaped = t.escaped || high&highs != 0 && !utf8.Valid(data[t.start:i])
			s.pos = i + 1
			return t
		case i < len(data) && data[i] < 0x20:
			s.pos = i
			s.syntax("a control character in a string")
			return token{}
		case i+1 >= len(data):
			s.pos = i
			s.syntax("a string without an end")
			return token{}
		case data[i+1] == 'u' && hex4(data[i+2:]):
			t.escaped = true
			i += 6
		case unescaped[data[i+1]] != 0:
			t.escaped = true
			i += 2
		default:
			s.pos = i
			s.syntax("a broken escape")
			return token{}
		}
	}
}

// unescaped maps the letter of a short escape to its byte.
var unescaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

func hex4(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	for _, c := range b[:4] {
		if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}

func (t token) string(s *scanner) string {
	if t.escaped {
		return string(t.unescape(s))
	}
	return s.text[t.start:t.end]
}

func (t token) unescape(s *scanner) []byte {
	if s.err != nil {
		return nil
	}
	var v string
	if err := json.Unmarshal(s.data[t.start-1:t.end+1], &v); err != nil {
		s.syntax(err.Error())
	}
	return []byte(v)
}

// content returns the string that comes next as bytes, and shares the payload's
// memory where it has no escape. It is made for bodies: JSON within JSON, with an
// escape every few bytes, which is read and rewritten in one pass, a word at a
// time. Whatever else it meets it leaves to token.
func (s *scanner) content() []byte {
	data, start := s.data, s.pos+1
	i, n := start, 0
	var high uint64
	for {
		if n+wordBytes > len(s.room) {
			// All that is left of the payload would be enough for all that is left.
			room := make([]byte, min(2*len(s.room)+roomBytes, n+len(data)-i+wordBytes))
			copy(room, s.room[:n])
			s.room = room
		}
		out := s.room[n:]
		if i+wordBytes <= len(data) {
			// What lies behind the stop in this word is written over next.
			w := word(data, i)
			binary.LittleEndian.PutUint64(out, w)
			k := bits.TrailingZeros64(stops(w)) / 8
			i, n, out = i+k, n+k, out[k:]
			if k == wordBytes {
				high |= w
				continue
			}
			high |= w & (1<<(8*k) - 1)
		}
		switch {
		case i+1 < len(data) && data[i] == '\\' && unescaped[data[i+1]] != 0:
			out[0] = unescaped[data[i+1]]
			i += 2
			n++
		case i < len(data) && data[i] != '"' && data[i] != '\\' && data[i] >= 0x20:
			out[0] = data[i]
			high |= uint64(data[i])
			i++
			n++
		case i < len(data) && data[i] == '"' && (high&highs == 0 || utf8.Valid(data[start:i])):
			s.pos = i + 1
			if n == i-start {
				return data[start:i:i]
			}
			out, s.room = s.room[:n:n], s.room[n:]
			return out
		default:
			return s.token().unescape(s)
		}
	}
}
