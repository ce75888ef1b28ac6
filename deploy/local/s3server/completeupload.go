package s3server

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/s3server/s3header"
)

// completeUpload serves CompleteMultipartUpload.
func completeUpload(s *Server, w http.ResponseWriter, r *request) error {
	in, err := newCompletion(r)
	if err != nil {
		return err
	}
	if in.Parts, err = readPartList(r); err != nil {
		return err
	}
	o, err := s.objects.CompleteUpload(r.Context(), in)
	if err != nil {
		return err
	}
	location := url.URL{Scheme: "http", Host: r.Host, Path: "/" + r.bucket + "/" + r.key}
	if r.TLS != nil {
		location.Scheme = "https"
	}
	if hostBucket(r.Host) != "" {
		location.Path = "/" + r.key
	}
	return writeXML(w, struct {
		XMLName  xml.Name `xml:"CompleteMultipartUploadResult"`
		Xmlns    string   `xml:"xmlns,attr"`
		Location string
		Bucket   string
		Key      string
		ETag     string
	}{Xmlns: xmlNamespace, Location: location.String(), Bucket: r.bucket, Key: r.key, ETag: s3header.Quote(o.ETag)})
}

// newCompletion reads the headers of a completion. Its checksum headers are of the
// object and not of the body, so it removes them.
func newCompletion(r *request) (objectstore.Completion, error) {
	in := objectstore.Completion{Bucket: r.bucket, Key: r.key, UploadID: r.query.Get("uploadId"), Size: -1, Requester: r.requester()}
	algorithm, value, err := s3header.Checksum(r.Header)
	if err != nil {
		return in, err
	}
	in.Checksum = checksum.Sum{Algorithm: algorithm, Value: value, Type: r.Header.Get("X-Amz-Checksum-Type")}
	if text := r.Header.Get("X-Amz-Mp-Object-Size"); text != "" {
		if in.Size, err = strconv.ParseInt(text, 10, 64); err != nil || in.Size < 0 {
			return in, s3error.InvalidArgument.WithMessage("x-amz-mp-object-size: got %q, want a number of bytes.", text)
		}
	}
	if in.Conditions, err = s3header.WriteConditions(r.Header); err != nil {
		return in, err
	}
	r.Request = r.Clone(r.Context())
	s3header.DropChecksums(r.Header)
	return in, nil
}

// readPartList reads the parts in the body of a completion.
func readPartList(r *request) ([]objectstore.CompletedPart, error) {
	var in struct {
		Parts []struct {
			PartNumber int
			ETag       string
			Rest       []struct {
				XMLName xml.Name
				Value   string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"Part"`
	}
	if err := r.readXML(&in); err != nil {
		return nil, err
	}
	if n := len(in.Parts); n == 0 || n > objectstore.MaxParts {
		return nil, s3error.MalformedXML
	}
	var parts []objectstore.CompletedPart
	for i, p := range in.Parts {
		if i > 0 && p.PartNumber <= in.Parts[i-1].PartNumber {
			return nil, s3error.InvalidPartOrder
		}
		part := objectstore.CompletedPart{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Sums: map[string]string{}}
		for _, e := range p.Rest {
			if name, ok := strings.CutPrefix(e.XMLName.Local, "Checksum"); ok {
				part.Sums[strings.ToLower(name)] = strings.TrimSpace(e.Value)
			}
		}
		parts = append(parts, part)
	}
	return parts, nil
}
