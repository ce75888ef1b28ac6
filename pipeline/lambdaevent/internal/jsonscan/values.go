package jsonscan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Str returns the string that comes next, and "" for null.
func (s *Scanner) Str(field ...string) string {
	if s.Peek() == '"' {
		return s.token().string(s)
	}
	if !s.Null() {
		s.Mistyped(field, "a string")
	}
	return ""
}

// Bytes returns the string that comes next as bytes, which may be the payload's
// own, and nil for null.
func (s *Scanner) Bytes(field ...string) []byte {
	if s.Peek() == '"' {
		return s.content()
	}
	if !s.Null() {
		s.Mistyped(field, "a string")
	}
	return nil
}

// Number returns the text of the number that comes next, and "" for null.
func (s *Scanner) Number(field ...string) string {
	if c := s.Peek(); c == '-' || '0' <= c && c <= '9' {
		start := s.pos
		s.skipNumber()
		return s.text[start:s.pos]
	}
	if !s.Null() {
		s.Mistyped(field, "a number")
	}
	return ""
}

// RFC3339 returns the time that comes next, and zero for null.
func (s *Scanner) RFC3339(field ...string) time.Time {
	text := s.Str(field...)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.Problem(strings.Join(field, "."), fmt.Sprintf("is not a time: %q", text))
	}
	return t.UTC()
}

// latest is the last second of the year 9999, the last that JSON times have.
const latest = 253402300799

// Epoch returns the time that comes next as seconds since 1970, to the
// millisecond.
func (s *Scanner) Epoch(field ...string) time.Time {
	text := s.Number(field...)
	if text == "" {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > latest {
		s.Problem(strings.Join(field, "."), "is not a time in seconds: "+text)
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}

// IsNumber reports whether text is a number as JSON writes it.
func IsNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || '9' < text[0]) {
		return false
	}
	s := Scanner{data: []byte(text)}
	s.skipNumber()
	return s.Err == nil && s.pos == len(text)
}
