package s3server

import "net/http"

// abortUpload serves AbortMultipartUpload.
func abortUpload(s *Server, w http.ResponseWriter, r *request) error {
	if err := s.objects.AbortUpload(r.Context(), r.bucket, r.key, r.query.Get("uploadId")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
