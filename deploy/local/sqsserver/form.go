package sqsserver

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/deploy/local/sqsserver/sqserr"
)

// shape describes a list or an object in the query protocol, in either direction.
type shape struct {
	field      string // the field of the JSON protocol, or the XML element
	key, value string // names of the parts of a member of an object; "" for a list
}

// shapes are the parameters with numbered parts, such as Attribute.1.Name and
// AttributeName.1.
var shapes = map[string]shape{
	"Attribute":                  {"Attributes", "Name", "Value"},
	"AttributeName":              {field: "AttributeNames"},
	"MessageAttribute":           {"MessageAttributes", "Name", "Value"},
	"MessageAttributeName":       {field: "MessageAttributeNames"},
	"MessageSystemAttribute":     {"MessageSystemAttributes", "Name", "Value"},
	"MessageSystemAttributeName": {field: "MessageSystemAttributeNames"},
	"Tag":                        {"Tags", "Key", "Value"},
	"TagKey":                     {field: "TagKeys"},
	"StringListValue":            {field: "StringListValues"},
	"BinaryListValue":            {field: "BinaryListValues"},

	"SendMessageBatchRequestEntry":             {field: "Entries"},
	"DeleteMessageBatchRequestEntry":           {field: "Entries"},
	"ChangeMessageVisibilityBatchRequestEntry": {field: "Entries"},
}

// numbers are the parameters that are numbers in JSON.
var numbers = []string{"DelaySeconds", "MaxNumberOfMessages", "MaxNumberOfMessagesPerSecond", "MaxResults", "VisibilityTimeout", "WaitTimeSeconds"}

// node is a parameter, or the common beginning of several parameters.
type node struct {
	value string
	parts map[string]*node // by what follows the dot
}

func (n *node) part(name string) *node {
	if n.parts == nil {
		n.parts = map[string]*node{}
	}
	if n.parts[name] == nil {
		n.parts[name] = &node{}
	}
	return n.parts[name]
}

// maxDots is the number of dots in the deepest name,
// SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringListValue.1.
const maxDots = 6

// formToJSON converts parameters to the input of the JSON protocol.
func formToJSON(form url.Values) ([]byte, error) {
	root := &node{}
	for name, values := range form {
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, sqserr.InvalidMessageContents("the parameter " + strconv.QuoteToASCII(name))
		}
		if strings.Count(name, ".") > maxDots {
			return nil, sqserr.New("MalformedQueryString", "MalformedQueryString", "The parameter %.100s has too many parts.", name)
		}
		n := root
		for part := range strings.SplitSeq(name, ".") {
			n = n.part(part)
		}
		n.value = values[0]
	}
	v, err := root.object()
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// object returns the object that the parts describe.
func (n *node) object() (map[string]any, error) {
	out := make(map[string]any, len(n.parts))
	for name, p := range n.parts {
		var err error
		s, numbered := shapes[name]
		switch {
		case numbered && s.key == "":
			out[s.field], err = p.list()
		case numbered:
			out[s.field], err = p.pairs(name, s)
		default:
			out[name], err = p.scalar(name)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scalar returns the value of the parameter, or an object if it has parts.
func (n *node) scalar(name string) (any, error) {
	if n.parts != nil {
		return n.object()
	}
	if !slices.Contains(numbers, name) {
		return n.value, nil
	}
	v, err := strconv.ParseInt(n.value, 10, 64)
	if err != nil {
		return nil, sqserr.InvalidValue(n.value, name, "Must be an integer.")
	}
	return v, nil
}

// list returns the numbered parts in the order of their numbers.
func (n *node) list() ([]any, error) {
	parts, err := n.numbered()
	if err != nil {
		return nil, err
	}
	out := make([]any, len(parts))
	for i, p := range parts {
		if out[i], err = p.scalar(""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pairs returns an object of the numbered parts, each of which has a name and a
// value.
func (n *node) pairs(name string, s shape) (map[string]any, error) {
	parts, err := n.numbered()
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(parts))
	for _, p := range parts {
		key := p.part(s.key).value
		if key == "" {
			return nil, sqserr.MissingParameter(name + ".N." + s.key)
		}
		if _, twice := out[key]; twice {
			return nil, sqserr.InvalidParameter("%s %q is given twice.", name, key)
		}
		if out[key], err = p.part(s.value).scalar(""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// numbered returns the parts in the order of their numbers, which may have gaps.
func (n *node) numbered() ([]*node, error) {
	order := make([]int, 0, len(n.parts))
	for name := range n.parts {
		i, err := strconv.Atoi(name)
		if err != nil || i < 1 || strconv.Itoa(i) != name {
			return nil, sqserr.New("MalformedQueryString", "MalformedQueryString", "The part %.100q of a parameter is not a number from 1 on.", name)
		}
		order = append(order, i)
	}
	slices.Sort(order)
	out := make([]*node, len(order))
	for i, number := range order {
		out[i] = n.parts[strconv.Itoa(number)]
	}
	return out, nil
}
