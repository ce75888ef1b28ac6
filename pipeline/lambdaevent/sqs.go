package lambdaevent

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"sluice/pipeline"
)

// decodeSQS reads one message. Only the suffix of the queue's ARN tells a FIFO
// queue: MessageGroupId stands on the messages of fair standard queues too, and
// there it orders nothing.
func decodeSQS(s *scanner) pipeline.Record {
	r := pipeline.Record{Attrs: make(map[string]string, 8)}
	var receiptHandle string
	hasBody := false
	for name := range s.members() {
		switch name {
		case "messageId":
			r.ID = s.str(name)
		case "receiptHandle":
			receiptHandle = s.str(name)
		case "body":
			hasBody = s.peek() == '"'
			r.Body = s.bytes(name)
		case "attributes":
			for attr := range s.members(name) {
				r.Attrs[attr] = s.str(name, attr)
			}
		case "messageAttributes":
			messageAttributes(s, r.Attrs, name, "stringValue")
		case "eventSource":
			s.source = s.str(name)
		case "eventSourceARN":
			r.Source = s.str(name)
		default:
			s.skip()
		}
	}
	r.Attrs[AttrReceiptHandle] = receiptHandle
	if !hasBody {
		s.problem("body", "is missing")
	}
	r.Cause = cmp.Or(r.Attrs[AttrCause], r.ID)
	if strings.HasSuffix(r.Source, ".fifo") {
		// SQS gives each FIFO message a group. Without one, the queue is the group.
		r.Group = cmp.Or(r.Attrs["MessageGroupId"], r.Source)
	}
	if n := r.Attrs["ApproximateReceiveCount"]; n != "" {
		var err error
		if r.Attempt, err = strconv.Atoi(n); err != nil || r.Attempt < 1 {
			s.problem("attributes.ApproximateReceiveCount", "is not a count: "+strconv.Quote(n))
		}
	}
	if ms := r.Attrs["SentTimestamp"]; ms != "" {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			s.problem("attributes.SentTimestamp", "is not a time in milliseconds: "+strconv.Quote(ms))
		} else {
			r.At = time.UnixMilli(n).UTC()
		}
	}
	return r
}

// messageAttributes adds the message attributes that have a text; a binary one
// has none. What stands in attrs already is the source's own word and stays.
func messageAttributes(s *scanner, attrs map[string]string, field, valueField string) {
	for attr := range s.members(field) {
		value, binary := "", false
		for name := range s.members(field, attr) {
			switch name {
			case valueField:
				value = s.str(field, attr, name)
			case "dataType", "Type":
				binary = strings.HasPrefix(s.str(field, attr, name), "Binary")
			default:
				s.skip()
			}
		}
		if _, taken := attrs[attr]; !taken && value != "" && !binary {
			attrs[attr] = value
		}
	}
}
