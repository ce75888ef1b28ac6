package s3server

import (
	"encoding/xml"
	"net/http"
	"strings"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/s3server/s3header"
)

// createUpload serves CreateMultipartUpload.
func createUpload(s *Server, w http.ResponseWriter, r *request) error {
	in := objectstore.NewUpload{Bucket: r.bucket, Key: r.key}
	var err error
	if in.Metadata, err = s3header.Metadata(r.Header); err != nil {
		return err
	}
	if in.Algorithm, in.Type, err = uploadChecksum(r.Header); err != nil {
		return err
	}
	id, err := s.objects.CreateUpload(r.Context(), in)
	if err != nil {
		return err
	}
	if in.Algorithm != "" {
		w.Header().Set("X-Amz-Checksum-Algorithm", strings.ToUpper(in.Algorithm))
		w.Header().Set("X-Amz-Checksum-Type", in.Type)
	}
	return writeXML(w, struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		Xmlns    string   `xml:"xmlns,attr"`
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{Xmlns: xmlNamespace, Bucket: r.bucket, Key: r.key, UploadID: id})
}

// uploadChecksum returns the algorithm and the type of the checksum that the object
// of an upload is to have, "" for none.
func uploadChecksum(h http.Header) (algorithm, kind string, err error) {
	algorithm = strings.ToLower(h.Get("X-Amz-Checksum-Algorithm"))
	if algorithm == "" {
		return "", "", nil
	}
	if _, err := checksum.New(algorithm); err != nil {
		return "", "", err
	}
	isCRC := strings.HasPrefix(algorithm, "crc")
	switch kind = h.Get("X-Amz-Checksum-Type"); {
	case kind == "" && algorithm == "crc64nvme":
		return algorithm, checksum.FullObject, nil
	case kind == "":
		return algorithm, checksum.Composite, nil
	case kind == checksum.FullObject && isCRC, kind == checksum.Composite && algorithm != "crc64nvme":
		return algorithm, kind, nil
	}
	return "", "", s3error.InvalidRequest.WithMessage("The %s checksum type cannot be used with the %s checksum algorithm.", kind, algorithm)
}
