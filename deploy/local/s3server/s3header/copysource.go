package s3header

import (
	"net/http"
	"net/url"
	"strings"

	"sluice/deploy/local/s3server/s3error"
)

// Source is the object that x-amz-copy-source names.
type Source struct{ Bucket, Key string }

// ParseSource parses x-amz-copy-source: bucket and key, percent-encoded, with or
// without a leading slash. A plus is a space, as in S3.
func ParseSource(h http.Header) (Source, error) {
	raw, version, hasVersion := strings.Cut(h.Get("X-Amz-Copy-Source"), "?")
	text, err := url.QueryUnescape(raw)
	if err != nil {
		return Source{}, s3error.InvalidArgument.WithMessage("x-amz-copy-source: got %q, want valid percent-encoding.", raw)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(text, "/"), "/")
	switch {
	case bucket == "" || key == "":
		return Source{}, s3error.InvalidArgument.WithMessage("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	case hasVersion && version != "versionId=null":
		return Source{}, s3error.NoSuchVersion
	}
	return Source{bucket, key}, nil
}
