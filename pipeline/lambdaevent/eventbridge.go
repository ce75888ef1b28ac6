package lambdaevent

import (
	"sluice/pipeline"
)

// decodeEventBridge decodes an event of a rule that invokes the function. The body
// is the whole event, so that S3Events decodes it like one in a queue.
func decodeEventBridge(payload []byte) pipeline.Record {
	s := newScanner(payload)
	r := pipeline.Record{Attrs: make(map[string]string, 4), Body: payload}
	for name := range s.Members() {
		switch name {
		case "id":
			r.ID = s.Str(name)
		case "time":
			r.At = s.RFC3339(name)
		case "source", "detail-type", "account", "region":
			r.Attrs[name] = s.Str(name)
		case "resources":
			for i := range s.Elements(name) {
				if arn := s.Str(name); i == 0 {
					r.Source = arn
				}
			}
		default:
			s.Skip()
		}
	}
	if r.Source == "" {
		r.Source = r.Attrs["source"]
	}
	r.Cause = r.ID
	r.Err = s.failed(formEvent)
	return r
}
