package s3server

import (
	"net/http"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
)

// putObject serves PutObject.
func putObject(s *Server, w http.ResponseWriter, r *request) error {
	in := objectstore.Put{Bucket: r.bucket, Key: r.key, Requester: r.requester()}
	err := r.readBody(s.objects.MaxObjectBytes())
	if err != nil {
		return err
	}
	in.Body = r.body
	if in.Conditions, err = s3header.WriteConditions(r.Header); err != nil {
		return err
	}
	if in.Metadata, err = s3header.Metadata(r.Header); err != nil {
		return err
	}
	o, err := s.objects.Put(r.Context(), in)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", s3header.Quote(o.ETag))
	s3header.SetChecksum(w.Header(), o.Checksum)
	w.WriteHeader(http.StatusOK)
	return nil
}
