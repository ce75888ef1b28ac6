package lambdaevent

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"sluice/pipeline"
)

// decodeDynamoDB reads the envelope of one change. The images stay as they are
// until DecodeChange: what is odd in them is a matter of that record alone.
func decodeDynamoDB(s *scanner) pipeline.Record {
	r := pipeline.Record{Attrs: make(map[string]string, 2)}
	s.peek()
	start := s.pos
	for name := range s.members() {
		switch name {
		case "eventID":
			r.Cause = s.str(name)
		case "eventName":
			r.Attrs[AttrEventName] = s.str(name)
		case "eventSource":
			s.source = s.str(name)
		case "eventSourceARN":
			r.Source = s.str(name)
		case "dynamodb":
			for inner := range s.members(name) {
				switch inner {
				case "SequenceNumber":
					r.ID = s.str(name, inner)
				case "ApproximateCreationDateTime":
					r.At = s.epoch(name, inner)
				case "Keys":
					r.Group = s.keys(name, inner)
				default:
					s.skip()
				}
			}
		default:
			s.skip()
		}
	}
	r.Body = s.data[start:s.pos:s.pos]
	if r.Cause == "" {
		s.problem("eventID", "is missing")
	}
	if r.Group == "" {
		s.problem("dynamodb.Keys", "is missing")
	}
	return r
}

// keys returns the same text for the same key, whatever the order of its
// attributes and the way their characters are escaped.
func (s *scanner) keys(field ...string) string {
	raw := s.raw()
	var keys map[string]map[string]string
	if s.err != nil || json.Unmarshal(raw, &keys) != nil || len(keys) == 0 {
		s.problem(joined(field), "is not a key")
		return string(raw)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		s.problem(joined(field), err.Error())
	}
	return string(text)
}

// latest is the last second of the year 9999, the last that JSON times have.
const latest = 253402300799

// epoch returns the time that comes next as seconds since 1970, to the
// millisecond.
func (s *scanner) epoch(field ...string) time.Time {
	text := s.number(field...)
	if text == "" {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > latest {
		s.problem(joined(field), "is not a time in seconds: "+text)
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}
