package s3server

import "net/http"

// createBucket serves CreateBucket.
func createBucket(s *Server, w http.ResponseWriter, r *request) error {
	if err := s.objects.CreateBucket(r.Context(), r.bucket); err != nil {
		return err
	}
	w.Header().Set("Location", "/"+r.bucket)
	w.WriteHeader(http.StatusOK)
	return nil
}

// headBucket serves HeadBucket.
func headBucket(s *Server, w http.ResponseWriter, r *request) error {
	w.Header().Set("X-Amz-Bucket-Region", s.objects.Region())
	if err := s.objects.HasBucket(r.bucket); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// deleteBucket serves DeleteBucket.
func deleteBucket(s *Server, w http.ResponseWriter, r *request) error {
	if err := s.objects.DeleteBucket(r.Context(), r.bucket); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
