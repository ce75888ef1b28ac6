package thumbnail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"sluice/thumbnail/internal/codec"
)

// source is the reader under every decoder. It counts bytes, stops at the limit
// and when the context ends, and remembers why reading stopped: a decoder's
// "unexpected EOF" alone does not tell a truncated picture (permanent) from a
// lost connection (try again).
type source struct {
	r     io.Reader
	ctx   context.Context // of the running call only; nil between calls
	n     int64
	limit int64
	err   error // the first error that is not io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.ctx != nil {
		if err := context.Cause(s.ctx); err != nil {
			s.err = err
			return 0, err
		}
	}
	if s.n > s.limit {
		s.err = &TooLargeError{What: "bytes", Got: s.n, Limit: s.limit, Setting: "MaxBytes", Detail: "the file"}
		return 0, s.err
	}
	// One byte over the limit may be read, to tell a file of exactly the limit
	// from a longer one.
	p = p[:min(int64(len(p)), s.limit+1-s.n)]
	n, err := s.r.Read(p)
	s.n += int64(n)
	if s.n > s.limit {
		return n - 1, nil // the surplus byte is not handed on; the next call reports
	}
	if err != nil && err != io.EOF {
		s.err = fmt.Errorf("read picture: %w", err)
		err = s.err
	}
	return n, err
}

// fail turns a decoder's error into the error that the caller sees.
func (s *source) fail(format string, err error) error {
	if s.err != nil {
		return s.err
	}
	if e, ok := errors.AsType[*codec.Error](err); ok {
		return refusal(e)
	}
	var corrupt *CorruptError
	var large *TooLargeError
	var unsupported *UnsupportedError
	if errors.As(err, &corrupt) || errors.As(err, &large) || errors.As(err, &unsupported) {
		return err
	}
	if endsEarly(err) {
		return &CorruptError{Format: format, Reason: format + " data ends early"}
	}
	return &CorruptError{Format: format, Reason: format + " data is damaged", Err: err}
}

// refusal is a reader's error as one of this package's types.
func refusal(e *codec.Error) error {
	switch e.Kind {
	case codec.KindUnsupported:
		return &UnsupportedError{Format: e.Format, Reason: e.Reason}
	case codec.KindTooManyPixels:
		return &TooLargeError{What: "pixels", Got: e.Got, Limit: e.Limit, Setting: "MaxPixels", Detail: e.Reason}
	case codec.KindTooMuchMemory:
		return &TooLargeError{What: "memory bytes", Got: e.Got, Limit: e.Limit, Setting: "MemoryBytes", Detail: e.Reason}
	}
	return &CorruptError{Format: e.Format, Reason: e.Reason, Err: e.Err}
}

// endsEarly also reads the text, because the standard library's decoders do not
// always keep the error below.
func endsEarly(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	for _, end := range []string{"EOF", "not enough image data", "short Huffman data", "not enough pixel data"} {
		if strings.HasSuffix(err.Error(), end) {
			return true
		}
	}
	return false
}
