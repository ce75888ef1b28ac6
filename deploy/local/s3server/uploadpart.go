package s3server

import (
	"encoding/xml"
	"net/http"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
)

// uploadPart serves UploadPart.
func uploadPart(s *Server, w http.ResponseWriter, r *request) error {
	in, err := newPart(r)
	if err != nil {
		return err
	}
	if err := r.readBody(s.objects.MaxObjectBytes()); err != nil {
		return err
	}
	in.Body = r.body
	p, err := s.objects.PutPart(r.Context(), in)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", s3header.Quote(p.MD5))
	s3header.SetChecksum(w.Header(), p.Checksum)
	w.Header().Del("X-Amz-Checksum-Type") // S3 sends it for objects only
	w.WriteHeader(http.StatusOK)
	return nil
}

// uploadPartCopy serves UploadPartCopy.
func uploadPartCopy(s *Server, w http.ResponseWriter, r *request) error {
	part, err := newPart(r)
	if err != nil {
		return err
	}
	source, err := s3header.ParseSource(r.Header)
	if err != nil {
		return err
	}
	p, err := s.objects.CopyPart(r.Context(), objectstore.PartCopy{
		SourceBucket: source.Bucket, SourceKey: source.Key, UploadPart: part,
		Choose: func(o *objectstore.Object) (objectstore.Range, error) {
			if err := s3header.CheckRead(r.Header, s3header.CopySource, o); err != nil {
				return objectstore.Range{}, err
			}
			return s3header.CopySourceRange(r.Header, o.Size)
		},
	})
	if err != nil {
		return err
	}
	return writeXML(w, copyResult{
		XMLName: xml.Name{Local: "CopyPartResult"}, Xmlns: xmlNamespace, LastModified: xmlTime(p.Modified), ETag: s3header.Quote(p.MD5),
	})
}

// newPart parses which part a request uploads.
func newPart(r *request) (objectstore.UploadPart, error) {
	number, err := s3header.PartNumber(r.query.Get("partNumber"))
	return objectstore.UploadPart{Bucket: r.bucket, Key: r.key, UploadID: r.query.Get("uploadId"), Number: number}, err
}
