package s3header

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

const (
	maxUserMetadataBytes = 2 << 10 // names and values together, as in S3
	maxSystemHeaderBytes = 8 << 10

	userMetadataPrefix = "X-Amz-Meta-"
)

// systemHeaders are the headers of an upload that S3 returns with each download.
var systemHeaders = []string{
	"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires",
}

// Metadata reads from the headers of an upload what is stored with the object.
func Metadata(h http.Header) (objectstore.Metadata, error) {
	m := objectstore.Metadata{Header: map[string]string{}, User: map[string]string{}}
	total := 0
	for _, name := range systemHeaders {
		value := strings.Join(h.Values(name), ",")
		if name == "Content-Encoding" {
			value = withoutCoding(value, "aws-chunked")
		}
		if value != "" {
			m.Header[name] = value
			total += len(value)
		}
	}
	if total > maxSystemHeaderBytes {
		return m, s3error.MetadataTooLarge.WithMessage("The headers stored with the object have %d bytes, and %d is the limit.", total, maxSystemHeaderBytes)
	}
	total = 0
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, userMetadataPrefix); ok {
			value := strings.Join(values, ",")
			m.User[strings.ToLower(rest)] = value
			total += len(rest) + len(value)
		}
	}
	if total > maxUserMetadataBytes {
		return m, s3error.MetadataTooLarge.WithMessage("The metadata has %d bytes, and %d is the limit.", total, maxUserMetadataBytes)
	}
	for _, values := range []map[string]string{m.Header, m.User} {
		for name, value := range values {
			if !utf8.ValidString(value) { // the stored JSON would change it
				return m, s3error.InvalidArgument.WithMessage("The value of %s is not UTF-8.", name)
			}
		}
	}
	if m.Header["Content-Type"] == "" {
		m.Header["Content-Type"] = "binary/octet-stream"
	}
	return m, nil
}

// SetMetadata sets the headers of a download. Names of user metadata are in lower
// case, as in S3: some clients hand them to the user as they arrive.
func SetMetadata(h http.Header, m objectstore.Metadata) {
	for name, value := range m.Header {
		h.Set(name, value)
	}
	for name, value := range m.User {
		h["x-amz-meta-"+name] = []string{value}
	}
}
