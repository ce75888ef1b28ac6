package sqsserver

import (
	"unicode/utf16"
	"unicode/utf8"
)

// quick is an input that can be read without reflection. readJSON returns false where anything is not as the usual clients write
// it, errors included: then the input must be cleared and read by encoding/json, whose word is final.
type quick interface{ readJSON(p *reader) bool }

// readQuick reads text that is known to be UTF-8. Strings of in share one copy of text.
func readQuick(text []byte, in quick) bool {
	p := reader{s: string(text)}
	return in.readJSON(&p) && p.end()
}

// reader reads JSON from left to right. After a method has returned false nothing that was read counts.
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

// take reads one character of structure.
func (p *reader) take(c byte) bool {
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != c {
		return false
	}
	p.i++
	return true
}

// object calls field for each name; field reads the value and returns false for a name it does not know.
func (p *reader) object(field func(name string) bool) bool {
	return p.list('{', '}', func() bool {
		name, ok := p.text()
		return ok && p.take(':') && field(name)
	})
}

// array calls element for each.
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

// escaped goes on with a string at its first escape.
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

// escape reads one character that is written as an escape.
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

// number reads a whole number of up to 15 digits.
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

// The methods below read into a field that has not been read before.

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

// intoAttributes reads message attributes with text in them. Those with bytes are left to encoding/json.
func (p *reader) intoAttributes(to *map[string]attributeValue) bool {
	if *to != nil {
		return false
	}
	*to = map[string]attributeValue{}
	return p.object(func(name string) bool {
		var v attributeValue
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

// intoEntries reads the entries of a batch. What is over a batch's limit is left to encoding/json.
func intoEntries[E any](p *reader, to *[]E, read func(*E) bool) bool {
	if *to != nil {
		return false
	}
	*to = make([]E, 0, maxBatch)
	return p.array(func() bool {
		if len(*to) == maxBatch {
			return false
		}
		*to = (*to)[:len(*to)+1]
		return read(&(*to)[len(*to)-1])
	})
}

func (in *sendInput) readJSON(p *reader) bool {
	return p.object(func(name string) bool {
		if name == "QueueUrl" {
			return p.intoText(&in.QueueURL)
		}
		return in.outgoing.readField(p, name)
	})
}

func (o *outgoing) readField(p *reader, name string) bool {
	switch name {
	case "MessageBody":
		return p.intoOptional(&o.Body)
	case "DelaySeconds":
		return p.intoNumber(&o.Delay)
	case "MessageAttributes":
		return p.intoAttributes(&o.Attributes)
	case "MessageSystemAttributes":
		return p.intoAttributes(&o.System)
	case "MessageDeduplicationId":
		return p.intoOptional(&o.DedupID)
	case "MessageGroupId":
		return p.intoOptional(&o.GroupID)
	}
	return false
}

func (in *sendBatchInput) readJSON(p *reader) bool {
	return p.object(func(name string) bool {
		switch name {
		case "QueueUrl":
			return p.intoText(&in.QueueURL)
		case "Entries":
			return intoEntries(p, &in.Entries, func(e *sendEntry) bool {
				return p.object(func(name string) bool {
					if name == "Id" {
						return p.intoText(&e.ID)
					}
					return e.outgoing.readField(p, name)
				})
			})
		}
		return false
	})
}

func (in *receiveInput) readJSON(p *reader) bool {
	return p.object(func(name string) bool {
		switch name {
		case "QueueUrl":
			return p.intoText(&in.QueueURL)
		case "AttributeNames":
			return p.intoTexts(&in.AttributeNames)
		case "MessageSystemAttributeNames":
			return p.intoTexts(&in.SystemAttributeNames)
		case "MessageAttributeNames":
			return p.intoTexts(&in.MessageAttributeNames)
		case "MaxNumberOfMessages":
			return p.intoNumber(&in.Max)
		case "VisibilityTimeout":
			return p.intoNumber(&in.Visibility)
		case "WaitTimeSeconds":
			return p.intoNumber(&in.Wait)
		case "ReceiveRequestAttemptId":
			return p.intoOptional(&in.AttemptID)
		}
		return false
	})
}

func (in *handleInput) readJSON(p *reader) bool {
	return p.object(func(name string) bool {
		switch name {
		case "QueueUrl":
			return p.intoText(&in.QueueURL)
		case "ReceiptHandle":
			return p.intoOptional(&in.ReceiptHandle)
		case "VisibilityTimeout":
			return p.intoNumber(&in.Visibility)
		}
		return false
	})
}

func (in *handleBatchInput) readJSON(p *reader) bool {
	return p.object(func(name string) bool {
		switch name {
		case "QueueUrl":
			return p.intoText(&in.QueueURL)
		case "Entries":
			return intoEntries(p, &in.Entries, func(e *handleEntry) bool {
				return p.object(func(name string) bool {
					switch name {
					case "Id":
						return p.intoText(&e.ID)
					case "ReceiptHandle":
						return p.intoOptional(&e.ReceiptHandle)
					case "VisibilityTimeout":
						return p.intoNumber(&e.Visibility)
					}
					return false
				})
			})
		}
		return false
	})
}
