package s3server

import (
	"net/http"

	"sluice/deploy/local/s3server/s3header"
)

// deleteObject serves DeleteObject.
func deleteObject(s *Server, w http.ResponseWriter, r *request) error {
	c, err := s3header.WriteConditions(r.Header)
	if err != nil {
		return err
	}
	if err := s.objects.Delete(r.Context(), r.bucket, r.key, c, r.requester()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
