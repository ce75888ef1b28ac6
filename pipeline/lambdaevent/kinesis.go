package lambdaevent

import (
	"encoding/base64"
	"strings"

	"sluice/pipeline"
)

// decodeKinesis decodes one record of a Kinesis stream. It does not split a record
// that the Kinesis Producer Library aggregated.
func decodeKinesis(s *scanner) pipeline.Record {
	var r pipeline.Record
	for name := range s.Members() {
		switch name {
		case "eventID":
			r.Cause = s.Str(name)
		case "eventSource":
			s.source = s.Str(name)
		case "eventSourceARN":
			r.Source = s.Str(name)
		case "kinesis":
			for inner := range s.Members(name) {
				switch inner {
				case "sequenceNumber":
					r.ID = s.Str(name, inner)
				case "partitionKey":
					r.Group = s.Str(name, inner)
				case "approximateArrivalTimestamp":
					r.At = s.Epoch(name, inner)
				case "data":
					r.Body = s.base64(name, inner)
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	if r.Cause == "" {
		s.Problem("eventID", "is missing")
	}
	if r.Body == nil {
		s.Problem("kinesis.data", "is missing")
	}
	return r
}

func (s *scanner) base64(field ...string) []byte {
	text := s.Bytes(field...)
	if text == nil {
		return nil
	}
	b, err := decodeBase64(text)
	if err != nil {
		s.Problem(strings.Join(field, "."), "is not base64: "+err.Error())
	}
	return b
}

// decodeBase64 returns a non-nil slice.
func decodeBase64(text []byte) ([]byte, error) {
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	return b[:n], err
}
