package lambdaevent

import (
	"sluice/pipeline"
)

// decodeS3 decodes one S3 event of a bucket that invokes the function. The body is
// a Records list with the event, so that S3Events decodes it like one in a queue.
// decodeS3 rejects what S3Events rejects.
func decodeS3(s *scanner) pipeline.Record {
	s.Peek()
	start := s.Offset()
	e := decodeS3Event(s)
	raw := s.From(start)
	r := pipeline.Record{
		Source: "arn:aws:s3:::" + e.Bucket,
		At:     e.EventTime,
		Attrs:  map[string]string{AttrEventName: e.EventName},
		Body:   append(append([]byte(`{"Records":[`), raw...), "]}"...),
	}
	if s.Field == nil {
		r.ID = e.Cause()
		r.Cause = r.ID
	}
	return r
}
