package lambdaevent

import (
	"cmp"

	"sluice/pipeline"
)

// decodeSNS decodes one notification of a topic that invokes the function. A
// notification in a queue is an SQS record, whose envelope S3Events removes.
func decodeSNS(s *scanner) pipeline.Record {
	r := pipeline.Record{Attrs: make(map[string]string, 4)}
	hasMessage := false
	for name := range s.Members() {
		switch name {
		case "EventSource":
			s.source = s.Str(name)
		case "Sns":
			for inner := range s.Members(name) {
				switch inner {
				case "MessageId":
					r.ID = s.Str(name, inner)
				case "TopicArn":
					r.Source = s.Str(name, inner)
				case "Subject":
					if subject := s.Str(name, inner); subject != "" {
						r.Attrs["Subject"] = subject
					}
				case "Timestamp":
					r.At = s.RFC3339(name, inner)
				case "Message":
					hasMessage = s.Peek() == '"'
					r.Body = s.Bytes(name, inner)
				case "MessageAttributes":
					messageAttributes(s, r.Attrs, name+"."+inner, "Value")
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	if r.ID == "" {
		s.Problem("Sns.MessageId", "is missing")
	}
	if !hasMessage {
		s.Problem("Sns.Message", "is missing")
	}
	r.Cause = cmp.Or(r.Attrs[AttrCause], r.ID)
	return r
}
