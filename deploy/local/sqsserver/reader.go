package sqsserver

import (
	"unicode/utf16"
	"unicode/utf8"

	"sluice/deploy/local/sqsserver/attribute"
	"sluice/deploy/local/sqsserver/queue"
)

// reader reads the JSON that SDKs write, from left to right and without
// reflection. After a method has returned false, the text is something else, and
// all that was read must be discarded. The strings that it returns share the
// memory of the text.
type reader struct {
	s string
	i int
}

func (p *reader) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\n' || p.s[p.i] == '\t' || p.s[p.i] == '\r') {
		p.i++
	}
}

func (p *reader) end() bool {
	p.space()
	return p.i == len(p.s)
}

// take reads one structural character.
func (p *reader) take(c byte) bool {
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != c {
		return false
	}
	p.i++
	return true
}

// object calls field for each name. field reads the value, and returns false for
// an unknown name.
func (p *reader) object(field func(name string) bool) bool {
	return p.list('{', '}', func() bool {
		name, ok := p.text()
		return ok && p.take(':') && field(name)
	})
}

// array calls element for each element.
func (p *reader) array(element func() bool) bool { return p.list('[', ']', element) }

func (p *reader) list(open, closing byte, element func() bool) bool {
	if !p.take(open) {
		return false
	}
	if p.take(closing) {
		return true
	}
	for {
		if !element() {
			return false
		}
		if p.take(closing) {
			return true
		}
		if !p.take(',') {
			return false
		}
	}
}

// text reads a string.
func (p *reader) text() (string, bool) {
	if !p.take('"') {
		return "", false
	}
	start := p.i
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return p.s[start : p.i-1], true
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", false
		}
		p.i++
	}
	return "", false
}

// escaped continues a string at its first escape.
func (p *reader) escaped(start int) (string, bool) {
	b := make([]byte, 0, 2*(p.i-start)+256)
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			b = append(b, p.s[start:p.i]...)
			p.i++
			return string(b), true
		case c < ' ':
			return "", false
		case c == '\\':
			b = append(b, p.s[start:p.i]...)
			r, ok := p.escape()
			if !ok {
				return "", false
			}
			b = utf8.AppendRune(b, r)
			start = p.i
		default:
			p.i++
		}
	}
	return "", false
}

// escape reads one escaped character.
func (p *reader) escape() (rune, bool) {
	if p.i+1 >= len(p.s) {
		return 0, false
	}
	c := p.s[p.i+1]
	if c == 'u' {
		r, ok := p.unit()
		if !ok || !utf16.IsSurrogate(r) {
			return r, ok
		}
		low, ok := p.unit()
		r = utf16.DecodeRune(r, low)
		return r, ok && r != utf8.RuneError
	}
	p.i += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

// unit reads \u and four hexadecimal digits.
func (p *reader) unit() (r rune, ok bool) {
	if p.i+6 > len(p.s) || p.s[p.i] != '\\' || p.s[p.i+1] != 'u' {
		return 0, false
	}
	for _, c := range []byte(p.s[p.i+2 : p.i+6]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.i += 6
	return r, true
}

// number reads an integer of up to 15 digits.
func (p *reader) number() (n int64, ok bool) {
	p.space()
	negative := p.i < len(p.s) && p.s[p.i] == '-'
	if negative {
		p.i++
	}
	start := p.i
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		n = n*10 + int64(p.s[p.i]-'0')
		if p.i++; p.i-start > 15 {
			return 0, false
		}
	}
	digits := p.s[start:p.i]
	if digits == "" || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	if p.i < len(p.s) && (p.s[p.i] == '.' || p.s[p.i] == 'e' || p.s[p.i] == 'E') {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// The methods below read into a field, and return false if it was read before.

func (p *reader) intoText(to *string) bool {
	if *to != "" {
		return false
	}
	var ok bool
	*to, ok = p.text()
	return ok
}

func (p *reader) intoOptional(to **string) bool {
	if *to != nil {
		return false
	}
	s, ok := p.text()
	*to = &s
	return ok
}

func (p *reader) intoNumber(to **int64) bool {
	if *to != nil {
		return false
	}
	n, ok := p.number()
	*to = &n
	return ok
}

func (p *reader) intoTexts(to *[]string) bool {
	if *to != nil {
		return false
	}
	*to = []string{}
	return p.array(func() bool {
		s, ok := p.text()
		*to = append(*to, s)
		return ok
	})
}

// intoAttributes reads message attributes with string values. It returns false for
// binary values.
func (p *reader) intoAttributes(to *map[string]attribute.Value) bool {
	if *to != nil {
		return false
	}
	*to = map[string]attribute.Value{}
	return p.object(func(name string) bool {
		var v attribute.Value
		ok := p.object(func(field string) bool {
			switch field {
			case "DataType":
				return p.intoText(&v.DataType)
			case "StringValue":
				return p.intoOptional(&v.StringValue)
			}
			return false
		})
		(*to)[name] = v
		return ok
	})
}

// intoEntries reads the entries of a batch, up to the limit of a batch.
func intoEntries[E any](p *reader, to *[]E, read func(*E) bool) bool {
	if *to != nil {
		return false
	}
	*to = make([]E, 0, queue.MaxBatch)
	return p.array(func() bool {
		if len(*to) == queue.MaxBatch {
			return false
		}
		*to = (*to)[:len(*to)+1]
		return read(&(*to)[len(*to)-1])
	})
}
