package scaledjpeg

import (
	"errors"
	"fmt"
)

// The kinds of failure. Test with errors.Is. The [*Error] or [*LimitError] that
// wraps them has the place and the detail.
var (
	// ErrCorrupt: the bytes break the format's rules.
	ErrCorrupt = errors.New("corrupt JPEG")
	// ErrTruncated: the bytes end before the picture does.
	ErrTruncated = errors.New("truncated JPEG")
	// ErrUnsupported: a JPEG of a kind that this package does not decode: 12
	// bits, arithmetic coding, lossless, hierarchical, or 2 components.
	ErrUnsupported = errors.New("unsupported JPEG")
	// ErrLimit: a limit of [Options] would be exceeded.
	ErrLimit = errors.New("over the limit")
)

// Error wraps every error that the bytes cause, and every error of the reader.
type Error struct {
	// Offset is the byte of the stream at which the fault was detected. In
	// entropy-coded data it may be a few bytes after the fault.
	Offset int64
	// Detail describes the fault in a few words. It may be empty.
	Detail string
	// Err is ErrCorrupt, ErrTruncated, ErrUnsupported or the reader's own
	// error.
	Err error
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("byte %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("byte %d: %v: %s", e.Offset, e.Err, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

// LimitError names the limit that a picture exceeds. It wraps [ErrLimit].
type LimitError struct {
	// Setting is the name of the field in [Options].
	Setting string
	// Need is the picture's value, Limit the setting's.
	Need, Limit int64
	// Offset is the byte of the stream at which the value was known.
	Offset int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("byte %d: needs %d, %s allows %d", e.Offset, e.Need, e.Setting, e.Limit)
}

func (e *LimitError) Unwrap() error { return ErrLimit }
