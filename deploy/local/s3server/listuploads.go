package s3server

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

const (
	maxUploads   = 1000
	maxPartsPage = 1000
)

// listUploadsResult is the response to ListMultipartUploads.
type listUploadsResult struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Xmlns              string   `xml:"xmlns,attr"`
	Bucket             string
	KeyMarker          xmlText
	UploadIDMarker     string   `xml:"UploadIdMarker"`
	NextKeyMarker      *xmlText `xml:",omitempty"`
	NextUploadIDMarker string   `xml:"NextUploadIdMarker,omitempty"`
	Delimiter          *xmlText `xml:",omitempty"`
	Prefix             *xmlText `xml:",omitempty"`
	EncodingType       string   `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []listedUpload
	CommonPrefixes     []listedPrefix
}

type listedUpload struct {
	Key          xmlText
	UploadID     string `xml:"UploadId"`
	Initiator    owner
	Owner        owner
	StorageClass string
	Initiated    string
}

// listUploads serves ListMultipartUploads.
func listUploads(s *Server, w http.ResponseWriter, r *request) error {
	q := r.query
	encode, err := r.textEncoder()
	if err != nil {
		return err
	}
	limit, err := clampedParameter(q, "max-uploads", maxUploads)
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = maxUploads
	}
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	all, err := s.objects.Uploads(r.bucket, prefix)
	if err != nil {
		return err
	}
	out := listUploadsResult{
		Xmlns: xmlNamespace, Bucket: r.bucket, KeyMarker: encode(q.Get("key-marker")), UploadIDMarker: q.Get("upload-id-marker"),
		Delimiter: optional(encode, delimiter), Prefix: optional(encode, prefix), EncodingType: q.Get("encoding-type"), MaxUploads: limit,
	}
	var last objectstore.Upload
	shared := ""
	for _, u := range all {
		if !afterMarker(u, q.Get("key-marker"), q.Get("upload-id-marker")) {
			continue
		}
		group := objectstore.CommonPrefix(u.Key, prefix, delimiter)
		switch {
		case group != "" && group == shared:
			last = u
			continue
		case len(out.Upload)+len(out.CommonPrefixes) == limit:
			out.IsTruncated = true
		case group != "":
			shared = group
			out.CommonPrefixes = append(out.CommonPrefixes, listedPrefix{encode(group)})
		default:
			out.Upload = append(out.Upload, listedUpload{
				Key: encode(u.Key), UploadID: u.ID, Initiator: localOwner, Owner: localOwner, StorageClass: "STANDARD", Initiated: xmlTime(u.Started),
			})
		}
		if out.IsTruncated {
			out.NextKeyMarker, out.NextUploadIDMarker = optional(encode, last.Key), last.ID
			break
		}
		last = u
	}
	return writeXML(w, out)
}

// afterMarker reports whether u comes after the markers of a request.
func afterMarker(u objectstore.Upload, key, id string) bool {
	return u.Key > key || u.Key == key && id != "" && u.ID > id
}

// clampedParameter parses a query parameter that is a number from 0 to limit. A
// greater number means limit, and so does a missing parameter.
func clampedParameter(q url.Values, name string, limit int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return limit, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, s3error.InvalidArgument.WithMessage("%s: got %q, want an integer between 0 and 2147483647", name, text)
	}
	return int(min(n, int64(limit))), nil
}
