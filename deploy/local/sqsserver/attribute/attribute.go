// Package attribute has the rules of SQS for the attributes of a message and for
// the text of a message.
package attribute

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sluice/deploy/local/sqsserver/sqserr"
)

// Value is the value of a message attribute as clients send and receive it.
type Value struct {
	DataType         string   `json:"DataType"`
	StringValue      *string  `json:"StringValue,omitempty"`
	BinaryValue      []byte   `json:"BinaryValue,omitempty"` // base64 in JSON
	StringListValues []string `json:"StringListValues,omitempty"`
	BinaryListValues [][]byte `json:"BinaryListValues,omitempty"`
}

// Attribute is a message attribute that was checked.
type Attribute struct {
	Name, Type string
	Binary     bool
	Value      []byte
}

// maxCount is the number of attributes that a message may have.
const maxCount = 10

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	// numberForm bounds a number's exponent before it is parsed.
	numberForm = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$`)
)

// Check returns the attributes sorted by name. The error is a [*sqserr.Error].
func Check(in map[string]Value) ([]Attribute, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > maxCount {
		return nil, sqserr.InvalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(in), maxCount)
	}
	out := make([]Attribute, 0, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := checkName(name); err != nil {
			return nil, err
		}
		a, err := checkValue(name, in[name])
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func checkName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > 256:
		return sqserr.InvalidParameter("Message (user) attribute names must be shorter than 256 Bytes")
	case !nameForm.MatchString(name):
		return sqserr.InvalidParameter("Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores.")
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return sqserr.InvalidParameter("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.'.")
	}
	return nil
}

func checkValue(name string, v Value) (Attribute, error) {
	a := Attribute{Name: name, Type: v.DataType}
	base, _, _ := strings.Cut(v.DataType, ".")
	switch {
	case v.DataType == "":
		return a, sqserr.InvalidParameter("The message attribute '%s' must contain a non-empty message attribute type.", name)
	case len(v.DataType) > 256:
		return a, sqserr.InvalidParameter("Message (user) attribute types must be shorter than 256 Bytes")
	case base != "String" && base != "Number" && base != "Binary":
		return a, sqserr.InvalidParameter("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0:
		return a, sqserr.Unsupported("Message attribute list values in SendMessage operation are not supported.")
	}
	if base == "Binary" {
		a.Binary, a.Value = true, v.BinaryValue
	} else if v.StringValue != nil {
		a.Value = []byte(*v.StringValue)
	}
	if len(a.Value) == 0 {
		return a, sqserr.InvalidParameter("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, base)
	}
	if !a.Binary && !ValidText(string(a.Value)) {
		return a, sqserr.InvalidParameter("Invalid characters found in the message attribute '%s'. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", name)
	}
	if base == "Number" && !validNumber(string(a.Value)) {
		return a, sqserr.InvalidParameter("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return a, nil
}

// validNumber follows SQS: up to 38 digits of precision, between 10^-128 and
// 10^126.
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

// TraceHeader is the one system attribute that a sender may set.
const TraceHeader = "AWSTraceHeader"

// CheckSystem returns the system attributes and the value of [TraceHeader], ""
// without one. The error is a [*sqserr.Error].
func CheckSystem(in map[string]Value) (system []Attribute, trace string, err error) {
	for name, v := range in {
		if name != TraceHeader {
			return nil, "", sqserr.InvalidParameter("Message system attribute name '%s' is invalid.", name)
		}
		if v.DataType != "String" {
			return nil, "", sqserr.InvalidParameter("The type of message system attribute '%s' is invalid. You must use only the following supported type prefixes: String.", name)
		}
		a, err := checkValue(name, v)
		if err != nil {
			return nil, "", err
		}
		return []Attribute{a}, string(a.Value), nil
	}
	return nil, "", nil
}

// Size is what attributes count toward the size of a message, in bytes.
func Size(attrs []Attribute) (n int) {
	for _, a := range attrs {
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}

// MD5 is the digest that SQS reports for attributes, which are sorted by name:
// of each the length and bytes of its name and type, a byte for the transport
// type, and the length and bytes of its value. It is "" without attributes.
func MD5(attrs []Attribute) string {
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
		field(a.Name)
		field(a.Type)
		if a.Binary {
			buf = append(buf, 2)
		} else {
			buf = append(buf, 1)
		}
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(a.Value)))
		h.Write(buf)
		h.Write(a.Value)
	}
	return hex.EncodeToString(h.Sum(nil))
}
