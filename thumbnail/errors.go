package thumbnail

import (
	"errors"
	"fmt"
)

// ErrUsed is returned by the second call of Picture.Thumbnails: the data has
// been read.
var ErrUsed = errors.New("picture has been read already")

// UnsupportedError says that the data is no picture, or of a kind that is not
// read. Retrying does not help.
type UnsupportedError struct {
	Format string // the format, as far as known: "TIFF", "JPEG"; "" when it is no picture
	Reason string // the form that is not supported, for people
}

func (e *UnsupportedError) Error() string {
	if e.Format == "" {
		return "not a picture: " + e.Reason
	}
	return fmt.Sprintf("%s is not supported: %s", e.Format, e.Reason)
}

// TooLargeError names the limit that a picture exceeds. It follows from the
// header, before the picture is decoded, except for bytes, which are counted as
// they are read. Retrying does not help; another setting does.
type TooLargeError struct {
	What    string // "pixels", "bytes" or "memory bytes"
	Got     int64  // the picture's number; for "bytes" a lower bound
	Limit   int64
	Setting string // the field of Options that holds the limit
	Detail  string // the origin of the number, such as "60000x60000 PNG"
}

func (e *TooLargeError) Error() string {
	unit, over := "", "needs"
	got, limit := e.Got, e.Limit
	switch e.What {
	case "pixels":
		over, unit = "has", " pixels"
	case "bytes":
		over, unit = "has at least", " bytes"
	case "memory bytes":
		unit = " bytes of memory"
	}
	return fmt.Sprintf("%s %s %d%s, the limit is %d (%s)", e.Detail, over, got, unit, limit, e.Setting)
}

// CorruptError says that the data is damaged or ends early. Retrying does not
// help, unless the picture is uploaded again.
type CorruptError struct {
	Format string // "JPEG", "PNG", "GIF", "WebP"; "" when the format is not known yet
	Reason string // for people, such as "JPEG data ends early"
	Err    error  // the decoder's own error; nil when there is none
	Stack  []byte // where the decoder panicked; nil when it did not
}

func (e *CorruptError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s (%v)", e.Reason, e.Err)
	}
	return e.Reason
}

// Unwrap returns the decoder's error.
func (e *CorruptError) Unwrap() error { return e.Err }
