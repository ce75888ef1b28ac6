package sqsserver

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// isQuery tells whether a request is in SQS's older query protocol: an action and its parameters as a form, an answer in XML. The
// AWS CLI before 1.31 and 2.14 speaks it, Debian 12's among them, and SDKs from before 2024 do.
func isQuery(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded" && r.Header.Get("X-Amz-Target") == ""
}

// serveQuery turns the form into the JSON protocol's input, so that both protocols have the same actions.
func (s *Service) serveQuery(w http.ResponseWriter, r *http.Request, id string) {
	name, out, err := s.query(w, r)
	if err != nil {
		s.writeQueryError(w, r, id, err)
		return
	}
	writeXML(w, http.StatusOK, appendResponse(nil, name, out, id))
}

func (s *Service) query(w http.ResponseWriter, r *http.Request) (name string, out any, err error) {
	raw, free, err := readBody(w, r)
	defer free()
	if err != nil {
		return "", nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return "", nil, newError("MalformedQueryString", "MalformedQueryString", "The form cannot be read: %v", err)
	}
	name = form.Get("Action")
	if name == "" {
		return "", nil, newError("MissingAction", "MissingAction", "The request must contain the parameter Action.")
	}
	act, ok := actions[name]
	if !ok {
		return "", nil, newError("UnknownOperationException", "InvalidAction", "The action %s is not valid for this endpoint.", name)
	}
	if form.Get("QueueUrl") == "" && strings.Trim(r.URL.Path, "/") != "" {
		form.Set("QueueUrl", r.URL.EscapedPath()) // clients post to the queue
	}
	in, err := fromForm(form)
	if err != nil {
		return "", nil, err
	}
	out, err = act(s, r.Context(), &request{base: "http://" + r.Host}, in)
	return name, out, err
}

// shape is what a parameter with numbered parts becomes.
type shape struct {
	field      string // of the JSON protocol
	key, value string // of a part, where the field is an object; "" makes it a list
}

// shapes are the parameters with numbered parts, as in Attribute.1.Name and AttributeName.1.
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

// node is a parameter, or what parameters with the same beginning have in common.
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

// deepest is how many dots a name may have: SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringListValue.1 has six.
const deepest = 6

// fromForm makes the JSON protocol's input of the parameters.
func fromForm(form url.Values) ([]byte, error) {
	root := &node{}
	for name, values := range form {
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, errContents("the parameter " + strconv.QuoteToASCII(name))
		}
		if strings.Count(name, ".") > deepest {
			return nil, newError("MalformedQueryString", "MalformedQueryString", "The parameter %.100s has too many parts.", name)
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

// object makes the object that n's parts describe.
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

// scalar is the parameter itself, or an object if it has parts.
func (n *node) scalar(name string) (any, error) {
	if n.parts != nil {
		return n.object()
	}
	if !slices.Contains(numbers, name) {
		return n.value, nil
	}
	v, err := strconv.ParseInt(n.value, 10, 64)
	if err != nil {
		return nil, errValue(n.value, name, "Must be an integer.")
	}
	return v, nil
}

// list is what the numbered parts are, in the order of their numbers.
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

// pairs is an object of the numbered parts, each of which has a name and a value.
func (n *node) pairs(name string, s shape) (map[string]any, error) {
	parts, err := n.numbered()
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(parts))
	for _, p := range parts {
		key := p.part(s.key).value
		if key == "" {
			return nil, errMissing(name + ".N." + s.key)
		}
		if _, twice := out[key]; twice {
			return nil, errInvalidParameter("%s %q is there twice.", name, key)
		}
		if out[key], err = p.part(s.value).scalar(""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// numbered gives the parts in the order of their numbers. The numbers need not be without gaps.
func (n *node) numbered() ([]*node, error) {
	order := make([]int, 0, len(n.parts))
	for name := range n.parts {
		i, err := strconv.Atoi(name)
		if err != nil || i < 1 || strconv.Itoa(i) != name {
			return nil, newError("MalformedQueryString", "MalformedQueryString", "The part %.100q of a parameter is no number from 1 on.", name)
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
