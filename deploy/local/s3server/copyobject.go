package s3server

import (
	"encoding/xml"
	"net/http"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/s3server/s3header"
)

// copyObject serves CopyObject.
func copyObject(s *Server, w http.ResponseWriter, r *request) error {
	source, err := s3header.ParseSource(r.Header)
	if err != nil {
		return err
	}
	in := objectstore.Copy{
		SourceBucket: source.Bucket, SourceKey: source.Key, Bucket: r.bucket, Key: r.key, Requester: r.requester(),
		Accept: func(o *objectstore.Object) error { return s3header.CheckRead(r.Header, s3header.CopySource, o) },
	}
	if in.Conditions, err = s3header.WriteConditions(r.Header); err != nil {
		return err
	}
	switch directive := r.Header.Get("X-Amz-Metadata-Directive"); directive {
	case "", "COPY":
		if source.Bucket == r.bucket && source.Key == r.key {
			return s3error.InvalidRequest.WithMessage("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
	case "REPLACE":
		m, err := s3header.Metadata(r.Header)
		if err != nil {
			return err
		}
		in.Metadata = &m
	default:
		return s3error.InvalidArgument.WithMessage("x-amz-metadata-directive: got %q, want COPY or REPLACE.", directive)
	}
	if err := s.objects.HasBucket(r.bucket); err != nil {
		return err
	}
	o, err := s.objects.Copy(r.Context(), in)
	if err != nil {
		return err
	}
	return writeXML(w, copyResult{
		XMLName: xml.Name{Local: "CopyObjectResult"}, Xmlns: xmlNamespace, LastModified: xmlTime(o.Modified), ETag: s3header.Quote(o.ETag),
	})
}

// copyResult is the response to CopyObject and UploadPartCopy.
type copyResult struct {
	XMLName      xml.Name
	Xmlns        string `xml:"xmlns,attr"`
	LastModified string
	ETag         string
}
