package jsonscan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Str returns the next value, a string, or "" for null.
func (s *Scanner) Str(field ...string) string {
	if s.Peek() == '"' {
		return s.token().string(s)
	}
	if !s.Null() {
		s.Mistyped(field, "a string")
	}
	return ""
}

// Bytes returns the next value, a string, as bytes that may share the payload's
// memory, or nil for null.
func (s *Scanner) Bytes(field ...string) []byte {
	if s.Peek() == '"' {
		return s.content()
	}
	if !s.Null() {
		s.Mistyped(field, "a string")
	}
	return nil
}

// Number returns the text of the next value, a number, or "" for null.
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

// RFC3339 returns the next value, a time, or zero for null.
func (s *Scanner) RFC3339(field ...string) time.Time {
	text := s.Str(field...)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.Problem(strings.Join(field, "."), fmt.Sprintf("is %q, want a time such as 2026-01-02T03:04:05Z", text))
	}
	return t.UTC()
}

// latest is the last second of the year 9999, the latest year of a JSON time.
const latest = 253402300799

// Epoch returns the next value, a time in seconds since 1970, rounded to
// milliseconds, or zero for null.
func (s *Scanner) Epoch(field ...string) time.Time {
	text := s.Number(field...)
	if text == "" {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > latest {
		s.Problem(strings.Join(field, "."), "is "+text+", want seconds since 1970")
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}

// IsNumber reports whether text is a JSON number.
func IsNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || '9' < text[0]) {
		return false
	}
	s := Scanner{data: []byte(text)}
	s.skipNumber()
	return s.Err == nil && s.pos == len(text)
}
