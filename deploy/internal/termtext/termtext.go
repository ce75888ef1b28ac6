// Package termtext makes text of other people safe to print on a terminal.
package termtext

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Safe returns s with control characters, escape sequences among them, and
// other characters that do not print as Go escapes, such as \x1b. Line breaks are
// escaped, too: the result is one line.
func Safe(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !printable(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && s[i] != 0xef: // an invalid byte
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])>>4, 16) + strconv.FormatUint(uint64(s[i])&15, 16))
		case printable(r), r == unicode.ReplacementChar:
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// printable excludes the replacement character, which stands for invalid UTF-8,
// and characters that change the direction of the text.
func printable(r rune) bool { return unicode.IsGraphic(r) && r != unicode.ReplacementChar }

// NewWriter returns a writer that escapes control characters as Safe does,
// except for line breaks and tabs, and writes to w. A call must not end within a
// character.
func NewWriter(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

func (w writer) Write(b []byte) (int, error) {
	var out strings.Builder
	for rest := string(b); rest != ""; {
		i := strings.IndexAny(rest, "\n\t")
		if i < 0 {
			out.WriteString(Safe(rest))
			break
		}
		out.WriteString(Safe(rest[:i]))
		out.WriteByte(rest[i])
		rest = rest[i+1:]
	}
	if _, err := io.WriteString(w.w, out.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Shorten cuts a text to 100 characters, for a column of a table.
func Shorten(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// PrintJSON writes v to w as indented JSON, which escapes control characters.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
