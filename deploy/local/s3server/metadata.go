package s3server

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	maxMetaBytes   = 2 << 10 // S3's limit for what a user adds
	maxHeaderBytes = 8 << 10
	metaPrefix     = "X-Amz-Meta-"
)

// keptHeaders are the headers of an upload that come back with each download.
var keptHeaders = []string{
	"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires",
}

// readMetadata takes from an upload what belongs to the object.
func readMetadata(h http.Header, into *record) error {
	into.Header, into.Meta = map[string]string{}, map[string]string{}
	total := 0
	for _, name := range keptHeaders {
		value := strings.Join(h.Values(name), ",")
		if name == "Content-Encoding" {
			value = withoutCoding(value, "aws-chunked")
		}
		if value != "" {
			into.Header[name] = value
			total += len(value)
		}
	}
	if total > maxHeaderBytes {
		return errMetadataTooLarge.because("The headers to be kept have %d bytes, and %d is the limit.", total, maxHeaderBytes)
	}
	total = 0
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, metaPrefix); ok {
			value := strings.Join(values, ",")
			into.Meta[strings.ToLower(rest)] = value
			total += len(rest) + len(value)
		}
	}
	if total > maxMetaBytes {
		return errMetadataTooLarge.because("The metadata has %d bytes, and %d is the limit.", total, maxMetaBytes)
	}
	for _, m := range []map[string]string{into.Header, into.Meta} {
		for name, value := range m {
			if !utf8.ValidString(value) { // it could not come back as it was
				return errInvalidArgument.because("The value of %s is not UTF-8.", name)
			}
		}
	}
	if into.Header["Content-Type"] == "" {
		into.Header["Content-Type"] = "binary/octet-stream"
	}
	return nil
}

// metadata gives the headers of a download.
func (r *record) metadata() map[string]string {
	m := map[string]string{"Last-Modified": httpTime(r.Modified)}
	for k, v := range r.Header {
		m[k] = v
	}
	for k, v := range r.Meta {
		m[metaPrefix+k] = v
	}
	return m
}
