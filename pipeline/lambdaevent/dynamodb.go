package lambdaevent

import (
	"encoding/json"
	"strings"

	"sluice/pipeline"
)

// decodeDynamoDB decodes the envelope of one change. streamchange.Decode decodes
// the images later, so an invalid image affects only its own record.
func decodeDynamoDB(s *scanner) pipeline.Record {
	r := pipeline.Record{Attrs: make(map[string]string, 2)}
	s.Peek()
	start := s.Offset()
	for name := range s.Members() {
		switch name {
		case "eventID":
			r.Cause = s.Str(name)
		case "eventName":
			r.Attrs[AttrEventName] = s.Str(name)
		case "eventSource":
			s.source = s.Str(name)
		case "eventSourceARN":
			r.Source = s.Str(name)
		case "dynamodb":
			for inner := range s.Members(name) {
				switch inner {
				case "SequenceNumber":
					r.ID = s.Str(name, inner)
				case "ApproximateCreationDateTime":
					r.At = s.Epoch(name, inner)
				case "Keys":
					r.Group = s.keys(name, inner)
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	r.Body = s.From(start)
	if r.Cause == "" {
		s.Problem("eventID", "is missing")
	}
	if r.Group == "" {
		s.Problem("dynamodb.Keys", "is missing")
	}
	return r
}

// keys returns the canonical text of a key, regardless of the order of its
// attributes and of escapes.
func (s *scanner) keys(field ...string) string {
	raw := s.Raw()
	var keys map[string]map[string]string
	if s.Err != nil || json.Unmarshal(raw, &keys) != nil || len(keys) == 0 {
		s.Problem(strings.Join(field, "."), "is not a key")
		return string(raw)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		s.Problem(strings.Join(field, "."), err.Error())
	}
	return string(text)
}
