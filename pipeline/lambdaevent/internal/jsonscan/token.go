package jsonscan

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// A token is the position of a string: data[start:end] is between its quotes.
type token struct {
	start, end int
	escaped    bool // contains a backslash or invalid UTF-8
}

// Eight copies of a byte, to compare eight bytes of a string at a time.
const (
	ones      = 0x0101010101010101
	highs     = 0x80 * ones
	quotes    = '"' * ones
	slashes   = '\\' * ones
	controls  = 0x20 * ones
	wordBytes = 8

	roomBytes = 16 << 10 // enough for about a dozen bodies
)

// word returns data[i:i+8] with the first byte lowest.
func word(data []byte, i int) uint64 { return binary.LittleEndian.Uint64(data[i:]) }

// zeros sets the high bit of each zero byte of w. It may also set that of bytes
// above the first zero byte, because the subtraction borrows from them, but never
// of bytes below.
func zeros(w uint64) uint64 { return (w - ones) &^ w & highs }

// stops sets the high bit of the first byte of w that ends a run of plain
// characters: a quote, a backslash, or a byte below 0x20, whose subtraction
// borrows and whose own high bit is 0.
func stops(w uint64) uint64 {
	return zeros(w^quotes) | zeros(w^slashes) | (w-controls)&^w&highs
}

// token skips the next string and returns its position.
func (s *Scanner) token() token {
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
			s.syntax("control character in a string")
			return token{}
		case i+1 >= len(data):
			s.pos = i
			s.syntax("unterminated string")
			return token{}
		case data[i+1] == 'u' && hex4(data[i+2:]):
			t.escaped = true
			i += 6
		case unescaped[data[i+1]] != 0:
			t.escaped = true
			i += 2
		default:
			s.pos = i
			s.syntax("invalid escape")
			return token{}
		}
	}
}

// unescaped maps the letter of a two-character escape to its byte.
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

func (t token) string(s *Scanner) string {
	if t.escaped {
		return string(t.unescape(s))
	}
	return s.text[t.start:t.end]
}

func (t token) unescape(s *Scanner) []byte {
	if s.Err != nil {
		return nil
	}
	var v string
	if err := json.Unmarshal(s.data[t.start-1:t.end+1], &v); err != nil {
		s.syntax(err.Error())
	}
	return []byte(v)
}

// content returns the next string as bytes. Without escapes they share the
// payload's memory. content is optimized for bodies, which are JSON within JSON
// with an escape every few bytes: it scans and unescapes them in one pass, a word
// at a time. It leaves other input to token.
func (s *Scanner) content() []byte {
	data, start := s.data, s.pos+1
	i, n := start, 0
	var high uint64
	for {
		if n+wordBytes > len(s.room) {
			// The rest of the payload bounds what is still needed.
			room := make([]byte, min(2*len(s.room)+roomBytes, n+len(data)-i+wordBytes))
			copy(room, s.room[:n])
			s.room = room
		}
		out := s.room[n:]
		if i+wordBytes <= len(data) {
			// The bytes after the stop are overwritten next.
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
