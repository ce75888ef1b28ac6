// Package s3header parses the request headers of the S3 API, and writes those of
// its responses that are not a plain value.
package s3header

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3error"
)

// Quote returns an entity tag in the form that headers and XML have.
func Quote(etag string) string { return `"` + etag + `"` }

// Time formats t as HTTP's dates, which have whole seconds.
func Time(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// HasCoding reports whether a Content-Encoding header lists coding.
func HasCoding(header, coding string) bool {
	for c := range strings.SplitSeq(header, ",") {
		if strings.EqualFold(strings.TrimSpace(c), coding) {
			return true
		}
	}
	return false
}

// withoutCoding returns a Content-Encoding header without coding.
func withoutCoding(header, coding string) string {
	var kept []string
	for c := range strings.SplitSeq(header, ",") {
		if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, coding) {
			kept = append(kept, c)
		}
	}
	return strings.Join(kept, ",")
}

const checksumPrefix = "X-Amz-Checksum-"

// Checksum returns the algorithm and the value of the one
// x-amz-checksum-ALGORITHM header, or "" if there is none.
func Checksum(h http.Header) (algorithm, value string, err error) {
	for name, values := range h {
		rest, ok := strings.CutPrefix(name, checksumPrefix)
		if rest = strings.ToLower(rest); !ok || rest == "mode" || rest == "type" || rest == "algorithm" {
			continue
		}
		if algorithm != "" || len(values) != 1 {
			return "", "", s3error.InvalidRequest.WithMessage("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		algorithm, value = rest, values[0]
	}
	return algorithm, value, nil
}

// DropChecksums removes a request's x-amz-checksum headers.
func DropChecksums(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, checksumPrefix) {
			delete(h, name)
		}
	}
}

// SetChecksum sets the headers of sum, if it is not zero.
func SetChecksum(h http.Header, sum checksum.Sum) {
	if sum.Algorithm == "" {
		return
	}
	h.Set(checksumPrefix+sum.Algorithm, sum.Value)
	h.Set(checksumPrefix+"Type", sum.Type)
}

// ParseSum decodes the value of a checksum header whose sum has size bytes.
func ParseSum(header, value string, size int) ([]byte, error) {
	sum, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(sum) != size {
		return nil, s3error.InvalidRequest.WithMessage("Value for %s header is invalid.", header)
	}
	return sum, nil
}
