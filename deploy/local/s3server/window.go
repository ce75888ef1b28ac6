package s3server

import (
	"fmt"
	"strconv"
	"strings"
)

// window is the part of an object that a Range header asks for.
type window struct{ start, length int64 }

func (w *window) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", w.start, w.start+w.length-1, size)
}

// parseRange reads a Range header for an object of size bytes. It returns nil for the whole object, also when the header is none
// that HTTP knows or asks for several ranges, which S3 does not give; and errInvalidRange when no byte of the object is in it.
func parseRange(header string, size int64) (*window, error) {
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
			return nil, errInvalidRange
		}
		return tail(size, int64(n)), nil
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
		return nil, errInvalidRange
	}
	return &window{int64(start), min(int64(end), size-1) - int64(start) + 1}, nil
}

func tail(size, n int64) *window {
	n = min(n, size)
	return &window{size - n, n}
}
