package lambdaevent

import (
	"encoding/base64"

	"sluice/pipeline"
)

// decodeKinesis reads one record of a Kinesis stream. A record that a producer
// library aggregated stays one record.
func decodeKinesis(s *scanner) pipeline.Record {
	var r pipeline.Record
	for name := range s.members() {
		switch name {
		case "eventID":
			r.Cause = s.str(name)
		case "eventSource":
			s.source = s.str(name)
		case "eventSourceARN":
			r.Source = s.str(name)
		case "kinesis":
			for inner := range s.members(name) {
				switch inner {
				case "sequenceNumber":
					r.ID = s.str(name, inner)
				case "partitionKey":
					r.Group = s.str(name, inner)
				case "approximateArrivalTimestamp":
					r.At = s.epoch(name, inner)
				case "data":
					r.Body = s.base64(name, inner)
				default:
					s.skip()
				}
			}
		default:
			s.skip()
		}
	}
	if r.Cause == "" {
		s.problem("eventID", "is missing")
	}
	if r.Body == nil {
		s.problem("kinesis.data", "is missing")
	}
	return r
}

func (s *scanner) base64(field ...string) []byte {
	text := s.bytes(field...)
	if text == nil {
		return nil
	}
	b, err := decodeBase64(text)
	if err != nil {
		s.problem(joined(field), "is not base64: "+err.Error())
	}
	return b
}

// decodeBase64 returns a slice that is not nil.
func decodeBase64(text []byte) ([]byte, error) {
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	return b[:n], err
}
