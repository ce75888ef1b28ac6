package lambdaevent

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"sluice/pipeline"
)

// decodeSQS decodes one message. It detects a FIFO queue by the suffix of its ARN,
// because messages of a fair standard queue have a MessageGroupId as well, which
// does not order them.
func decodeSQS(s *scanner) pipeline.Record {
	r := pipeline.Record{Attrs: make(map[string]string, 8)}
	var receiptHandle string
	hasBody := false
	for name := range s.Members() {
		switch name {
		case "messageId":
			r.ID = s.Str(name)
		case "receiptHandle":
			receiptHandle = s.Str(name)
		case "body":
			hasBody = s.Peek() == '"'
			r.Body = s.Bytes(name)
		case "attributes":
			for attr := range s.Members(name) {
				r.Attrs[attr] = s.Str(name, attr)
			}
		case "messageAttributes":
			messageAttributes(s, r.Attrs, name, "stringValue")
		case "eventSource":
			s.source = s.Str(name)
		case "eventSourceARN":
			r.Source = s.Str(name)
		default:
			s.Skip()
		}
	}
	r.Attrs[AttrReceiptHandle] = receiptHandle
	if !hasBody {
		s.Problem("body", "is missing")
	}
	r.Cause = cmp.Or(r.Attrs[AttrCause], r.ID)
	if header := r.Attrs[AttrTraceHeader]; header != "" && r.Attrs[AttrTraceParent] == "" {
		if parent := traceParent(header); parent != "" {
			r.Attrs[AttrTraceParent] = parent
		}
	}
	if strings.HasSuffix(r.Source, ".fifo") {
		// A message without a group would be in one group with all such messages.
		r.Group = cmp.Or(r.Attrs["MessageGroupId"], r.Source)
	}
	if n := r.Attrs["ApproximateReceiveCount"]; n != "" {
		var err error
		if r.Attempt, err = strconv.Atoi(n); err != nil || r.Attempt < 1 {
			s.Problem("attributes.ApproximateReceiveCount", "is "+strconv.Quote(n)+", want a count of at least 1")
		}
	}
	if ms := r.Attrs["SentTimestamp"]; ms != "" {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			s.Problem("attributes.SentTimestamp", "is "+strconv.Quote(ms)+", want milliseconds since 1970")
		} else {
			r.At = time.UnixMilli(n).UTC()
		}
	}
	return r
}

// messageAttributes adds the message attributes with a text value to attrs. It
// keeps the values that attrs already has, which are system attributes.
func messageAttributes(s *scanner, attrs map[string]string, field, valueField string) {
	for attr := range s.Members(field) {
		value, binary := "", false
		for name := range s.Members(field, attr) {
			switch name {
			case valueField:
				value = s.Str(field, attr, name)
			case "dataType", "Type":
				binary = strings.HasPrefix(s.Str(field, attr, name), "Binary")
			default:
				s.Skip()
			}
		}
		if _, taken := attrs[attr]; !taken && value != "" && !binary {
			attrs[attr] = value
		}
	}
}
