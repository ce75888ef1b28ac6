package sqsserver

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// attributeValue is a message attribute in the protocol.
type attributeValue struct {
	DataType         string   `json:"DataType"`
	StringValue      *string  `json:"StringValue,omitempty"`
	BinaryValue      []byte   `json:"BinaryValue,omitempty"` // base64 in JSON
	StringListValues []string `json:"StringListValues,omitempty"`
	BinaryListValues [][]byte `json:"BinaryListValues,omitempty"`
}

// attribute is a checked message attribute.
type attribute struct {
	name, typ string
	binary    bool
	value     []byte
}

const maxAttributes = 10

// validText tells whether SQS takes the text: the characters that XML 1.0 allows.
func validText(s string) bool {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += n
	}
	return true
}

// validID tells whether s can be a group or deduplication id: 1 to 128 printable ASCII characters without the space.
func validID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

var (
	attributeNameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	// numberForm limits a number as SQS does, before anybody computes with it.
	numberForm = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$`)
)

// checkAttributes gives the attributes sorted by name, or says what is wrong with one.
func checkAttributes(in map[string]attributeValue) ([]attribute, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > maxAttributes {
		return nil, errInvalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(in), maxAttributes)
	}
	out := make([]attribute, 0, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := checkAttributeName(name); err != nil {
			return nil, err
		}
		a, err := checkAttribute(name, in[name])
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > 256:
		return errInvalidParameter("Message (user) attribute names must be shorter than 256 Bytes")
	case !attributeNameForm.MatchString(name):
		return errInvalidParameter("Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores.")
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return errInvalidParameter("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.'.")
	}
	return nil
}

func checkAttribute(name string, v attributeValue) (attribute, error) {
	a := attribute{name: name, typ: v.DataType}
	base, _, _ := strings.Cut(v.DataType, ".")
	switch {
	case v.DataType == "":
		return a, errInvalidParameter("The message attribute '%s' must contain a non-empty message attribute type.", name)
	case len(v.DataType) > 256:
		return a, errInvalidParameter("Message (user) attribute types must be shorter than 256 Bytes")
	case base != "String" && base != "Number" && base != "Binary":
		return a, errInvalidParameter("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0:
		return a, errUnsupported("Message attribute list values in SendMessage operation are not supported.")
	}
	if base == "Binary" {
		a.binary, a.value = true, v.BinaryValue
	} else if v.StringValue != nil {
		a.value = []byte(*v.StringValue)
	}
	if len(a.value) == 0 {
		return a, errInvalidParameter("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, base)
	}
	if !a.binary && !validText(string(a.value)) {
		return a, errInvalidParameter("Invalid characters found in the message attribute '%s'. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", name)
	}
	if base == "Number" && !validNumber(string(a.value)) {
		return a, errInvalidParameter("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return a, nil
}

// validNumber follows SQS: up to 38 digits of precision, between 10^-128 and 10^126.
func validNumber(s string) bool {
	if len(s) > 256 || !numberForm.MatchString(s) {
		return false
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	digits := strings.Trim(strings.ReplaceAll(strings.TrimLeft(mantissa, "+-"), ".", ""), "0")
	f, err := strconv.ParseFloat(s, 64)
	if f < 0 {
		f = -f
	}
	return err == nil && len(digits) <= 38 && (len(digits) == 0 || f >= 1e-128 && f <= 1e126)
}

// checkSystemAttributes knows the one attribute that a sender may set.
func checkSystemAttributes(in map[string]attributeValue) ([]attribute, string, error) {
	for name, v := range in {
		if name != "AWSTraceHeader" {
			return nil, "", errInvalidParameter("Message system attribute name '%s' is invalid.", name)
		}
		if v.DataType != "String" {
			return nil, "", errInvalidParameter("The type of message system attribute '%s' is invalid. You must use only the following supported type prefixes: String.", name)
		}
		a, err := checkAttribute(name, v)
		if err != nil {
			return nil, "", err
		}
		return []attribute{a}, string(a.value), nil
	}
	return nil, "", nil
}

// attributesSize is what attributes count toward a message's size.
func attributesSize(attrs []attribute) (n int) {
	for _, a := range attrs {
		n += len(a.name) + len(a.typ) + len(a.value)
	}
	return n
}

// attributesMD5 is the digest SQS answers with: for each attribute, by name, the length and bytes of name, type and value, and
// a byte for the transport type before the value. It is empty without attributes.
func attributesMD5(attrs []attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	h := md5.New()
	var buf []byte
	field := func(s string) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(s)))
		buf = append(buf, s...)
	}
	for _, a := range attrs {
		buf = buf[:0]
		field(a.name)
		field(a.typ)
		if a.binary {
			buf = append(buf, 2)
		} else {
			buf = append(buf, 1)
		}
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(a.value)))
		h.Write(buf)
		h.Write(a.value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// encodeAttributes is the stored form: name, type and value, each with its length, and a byte that tells binary values.
func encodeAttributes(attrs []attribute) (b []byte) {
	for _, a := range attrs {
		for _, f := range [...]string{a.name, a.typ} {
			b = binary.AppendUvarint(b, uint64(len(f)))
			b = append(b, f...)
		}
		kind := byte(0)
		if a.binary {
			kind = 1
		}
		b = append(b, kind)
		b = binary.AppendUvarint(b, uint64(len(a.value)))
		b = append(b, a.value...)
	}
	return b
}

// decodeAttributes copies what it reads.
func decodeAttributes(b []byte) (out []attribute, err error) {
	for len(b) > 0 {
		var name, typ, value []byte
		if name, b, err = cutField(b); err != nil {
			return nil, err
		}
		if typ, b, err = cutField(b); err != nil {
			return nil, err
		}
		if len(b) == 0 {
			return nil, errDamaged
		}
		kind := b[0]
		if value, b, err = cutField(b[1:]); err != nil {
			return nil, err
		}
		out = append(out, attribute{string(name), string(typ), kind == 1, slices.Clone(value)})
	}
	return out, nil
}
