package lambdaevent

import (
	"sluice/pipeline"
)

// decodeS3 reads one notice that S3 sent to the function itself. It gets a
// Records list of its own, so that S3Events reads it like one in a queue; what
// S3Events would refuse is refused here.
func decodeS3(s *scanner) pipeline.Record {
	s.Peek()
	start := s.Offset()
	n := decodeNotice(s)
	raw := s.From(start)
	r := pipeline.Record{
		Source: "arn:aws:s3:::" + n.Bucket,
		At:     n.EventTime,
		Attrs:  map[string]string{AttrEventName: n.EventName},
		Body:   append(append([]byte(`{"Records":[`), raw...), "]}"...),
	}
	if s.Field == nil {
		r.ID = n.Cause()
		r.Cause = r.ID
	}
	return r
}
