package s3server

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/s3server/s3header"
)

const maxKeys = 1000

// listResult is the response to ListObjects and ListObjectsV2.
type listResult struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Xmlns          string   `xml:"xmlns,attr"`
	Name           string
	Prefix         xmlText
	Delimiter      *xmlText `xml:",omitempty"`
	EncodingType   string   `xml:",omitempty"`
	MaxKeys        int
	IsTruncated    bool
	Marker         *xmlText `xml:",omitempty"` // version 1
	NextMarker     *xmlText `xml:",omitempty"`
	KeyCount       *int     `xml:",omitempty"` // version 2
	Continuation   string   `xml:"ContinuationToken,omitempty"`
	Next           string   `xml:"NextContinuationToken,omitempty"`
	StartAfter     *xmlText `xml:",omitempty"`
	Contents       []listedObject
	CommonPrefixes []listedPrefix
}

type listedObject struct {
	Key               xmlText
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	StorageClass      string
	Owner             *owner
}

type listedPrefix struct{ Prefix xmlText }

// listObjects serves ListObjects and ListObjectsV2.
func listObjects(s *Server, w http.ResponseWriter, r *request) error {
	q := r.query
	limit, err := listLimit(q)
	if err != nil {
		return err
	}
	encode, err := r.textEncoder()
	if err != nil {
		return err
	}
	v2 := q.Get("list-type") == "2"
	after, err := listStart(q, v2)
	if err != nil {
		return err
	}
	page, err := s.objects.List(r.bucket, objectstore.Listing{Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), After: after, Limit: limit})
	if err != nil {
		return err
	}
	out := listResult{
		Xmlns: xmlNamespace, Name: r.bucket, Prefix: encode(q.Get("prefix")), Delimiter: optional(encode, q.Get("delimiter")),
		EncodingType: q.Get("encoding-type"), MaxKeys: limit, IsTruncated: page.Truncated,
	}
	for _, e := range page.Entries {
		if e.Object == nil {
			out.CommonPrefixes = append(out.CommonPrefixes, listedPrefix{encode(e.Name)})
			continue
		}
		listed := listedObject{
			Key: encode(e.Name), LastModified: xmlTime(e.Object.Modified), ETag: s3header.Quote(e.Object.ETag),
			ChecksumAlgorithm: strings.ToUpper(e.Object.Checksum.Algorithm), ChecksumType: e.Object.Checksum.Type,
			Size: e.Object.Size, StorageClass: "STANDARD",
		}
		if !v2 || q.Get("fetch-owner") == "true" {
			listed.Owner = &localOwner
		}
		out.Contents = append(out.Contents, listed)
	}
	if v2 {
		n := len(page.Entries)
		out.KeyCount, out.Continuation, out.StartAfter = &n, q.Get("continuation-token"), optional(encode, q.Get("start-after"))
		if page.Truncated {
			out.Next = encodeToken(page.Next)
		}
	} else {
		m := encode(q.Get("marker"))
		out.Marker = &m
		if page.Truncated {
			out.NextMarker = optional(encode, page.Next)
		}
	}
	return writeXML(w, out)
}

func listLimit(q url.Values) (int, error) {
	if !q.Has("max-keys") {
		return maxKeys, nil
	}
	n, err := strconv.ParseInt(q.Get("max-keys"), 10, 32)
	if err != nil || n < 0 {
		return 0, s3error.InvalidArgument.WithMessage("Argument maxKeys must be an integer between 0 and 2147483647")
	}
	return int(min(n, maxKeys)), nil
}

// listStart returns the name after which the list starts.
func listStart(q url.Values, v2 bool) (string, error) {
	if !v2 {
		return q.Get("marker"), nil
	}
	if !q.Has("continuation-token") {
		return q.Get("start-after"), nil
	}
	return decodeToken(q)
}

// encodeToken returns a continuation token for the page after name.
func encodeToken(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// decodeToken returns the name in the continuation token of a request, "" if it has
// none.
func decodeToken(q url.Values) (string, error) {
	if !q.Has("continuation-token") {
		return "", nil
	}
	name, err := base64.RawURLEncoding.DecodeString(q.Get("continuation-token"))
	if err != nil || len(name) == 0 {
		return "", s3error.InvalidArgument.WithMessage("The continuation token provided is incorrect")
	}
	return string(name), nil
}
