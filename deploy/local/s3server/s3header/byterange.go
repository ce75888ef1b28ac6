package s3header

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

// ContentRange returns the Content-Range header of r in an object of size bytes.
func ContentRange(r *objectstore.Range, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.Start, r.Start+r.Length-1, size)
}

// ParseRange parses a Range header for an object of size bytes. It returns nil for
// the whole object. That includes a header that is invalid in HTTP, and one that
// lists several ranges, which S3 does not support. The error is InvalidRange if no
// byte of the object is in the range.
func ParseRange(header string, size int64) (*objectstore.Range, error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, hasDash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !hasDash {
		return nil, nil
	}
	if first == "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			return nil, nil
		}
		if n == 0 || size == 0 {
			return nil, s3error.InvalidRange
		}
		length := min(int64(n), size)
		return &objectstore.Range{Start: size - length, Length: length}, nil
	}
	start, err := strconv.ParseUint(first, 10, 63)
	if err != nil {
		return nil, nil
	}
	end := uint64(1<<63 - 1)
	if last != "" {
		if end, err = strconv.ParseUint(last, 10, 63); err != nil || end < start {
			return nil, nil
		}
	}
	if int64(start) >= size {
		return nil, s3error.InvalidRange
	}
	return &objectstore.Range{Start: int64(start), Length: min(int64(end), size-1) - int64(start) + 1}, nil
}

// CopySourceRange parses x-amz-copy-source-range for a source of size bytes. It
// returns the whole source if there is no such header. Unlike the range of a read,
// this one must name both ends and lie inside the source.
func CopySourceRange(h http.Header, size int64) (objectstore.Range, error) {
	header := h.Get("X-Amz-Copy-Source-Range")
	if header == "" {
		return objectstore.Range{Length: size}, nil
	}
	r, err := ParseRange(header, size)
	if err != nil || r == nil || header != fmt.Sprintf("bytes=%d-%d", r.Start, r.Start+r.Length-1) {
		return objectstore.Range{}, s3error.InvalidArgument.WithMessage(
			"x-amz-copy-source-range: got %q, want bytes=first-last, inside the source of %d bytes.", header, size)
	}
	return *r, nil
}

// PartNumber parses a partNumber query parameter.
func PartNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > objectstore.MaxParts {
		return 0, s3error.InvalidArgument.WithMessage("Part number must be an integer between 1 and %d, inclusive", objectstore.MaxParts)
	}
	return n, nil
}
