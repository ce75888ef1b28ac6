package s3server

import (
	"encoding/xml"
	"math"
	"net/http"

	"sluice/deploy/local/s3server/s3header"
)

// listPartsResult is the response to ListParts.
type listPartsResult struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	Xmlns                string   `xml:"xmlns,attr"`
	Bucket               string
	Key                  string
	UploadID             string `xml:"UploadId"`
	Initiator            owner
	Owner                owner
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Part                 []listedPart
}

type listedPart struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
}

// listParts serves ListParts.
func listParts(s *Server, w http.ResponseWriter, r *request) error {
	limit, err := clampedParameter(r.query, "max-parts", maxPartsPage)
	if err != nil {
		return err
	}
	marker := 0
	if r.query.Get("part-number-marker") != "" {
		if marker, err = clampedParameter(r.query, "part-number-marker", math.MaxInt32); err != nil {
			return err
		}
	}
	parts, err := s.objects.Parts(r.bucket, r.key, r.query.Get("uploadId"))
	if err != nil {
		return err
	}
	out := listPartsResult{
		Xmlns: xmlNamespace, Bucket: r.bucket, Key: r.key, UploadID: r.query.Get("uploadId"),
		Initiator: localOwner, Owner: localOwner, StorageClass: "STANDARD", PartNumberMarker: marker, MaxParts: limit,
	}
	for _, p := range parts {
		if p.Number <= marker {
			continue
		}
		if len(out.Part) == limit {
			out.IsTruncated = limit > 0
			break
		}
		out.Part = append(out.Part, listedPart{p.Number, xmlTime(p.Modified), s3header.Quote(p.MD5), p.Size})
		out.NextPartNumberMarker = p.Number
	}
	return writeXML(w, out)
}
