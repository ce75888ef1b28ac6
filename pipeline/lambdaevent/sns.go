package lambdaevent

import (
	"cmp"

	"sluice/pipeline"
)

// decodeSNS reads one notification of a topic that calls the function itself.
// SNS in a queue is SQS; S3Notices opens that envelope.
func decodeSNS(s *scanner) pipeline.Record {
	r := pipeline.Record{Attrs: make(map[string]string, 4)}
	hasMessage := false
	for name := range s.members() {
		switch name {
		case "EventSource":
			s.source = s.str(name)
		case "Sns":
			for inner := range s.members(name) {
				switch inner {
				case "MessageId":
					r.ID = s.str(name, inner)
				case "TopicArn":
					r.Source = s.str(name, inner)
				case "Subject":
					if subject := s.str(name, inner); subject != "" {
						r.Attrs["Subject"] = subject
					}
				case "Timestamp":
					r.At = s.rfc3339(name, inner)
				case "Message":
					hasMessage = s.peek() == '"'
					r.Body = s.bytes(name, inner)
				case "MessageAttributes":
					messageAttributes(s, r.Attrs, name+"."+inner, "Value")
				default:
					s.skip()
				}
			}
		default:
			s.skip()
		}
	}
	if r.ID == "" {
		s.problem("Sns.MessageId", "is missing")
	}
	if !hasMessage {
		s.problem("Sns.Message", "is missing")
	}
	r.Cause = cmp.Or(r.Attrs[AttrCause], r.ID)
	return r
}
