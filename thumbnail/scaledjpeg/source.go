package scaledjpeg

import (
	"bytes"
	"io"
)

// rawSize is the number of bytes of one Read call.
const rawSize = 64 << 10

// markerEOF stands for the end of the stream where a marker is expected. No
// marker has this value: 0xff is a fill byte.
const markerEOF = 0xff

// source reads the stream in blocks and knows the offset of each byte.
type source struct {
	r    io.Reader
	raw  []byte // rawSize long once in use
	i, n int    // raw[i:n] is read and not consumed
	base int64  // offset of raw[0] in the stream
	err  error  // the reader's last error, io.EOF included
}

func (s *source) reset(r io.Reader) {
	if s.raw == nil {
		s.raw = make([]byte, rawSize)
	}
	*s = source{r: r, raw: s.raw}
}

// offset is the position of the next byte in the stream.
func (s *source) offset() int64 { return s.base + int64(s.i) }

// fill reads more when raw[i:n] is empty. It returns false at the end of the
// stream and after an error; s.err is that error or io.EOF.
func (s *source) fill() bool {
	if s.i < s.n {
		return true
	}
	if s.err != nil {
		return false
	}
	s.base += int64(s.n)
	s.i, s.n = 0, 0
	for range 100 {
		n, err := s.r.Read(s.raw)
		if n < 0 || n > len(s.raw) {
			s.err = io.ErrNoProgress
			return false
		}
		s.n, s.err = n, err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// failed is the reader's error, nil at the end of the stream.
func (s *source) failed() error {
	if s.err == nil || s.err == io.EOF || s.i < s.n {
		return nil
	}
	return &Error{Offset: s.offset(), Detail: "read", Err: s.err}
}

// short is the error for a stream that ends where more bytes must follow.
func (s *source) short(detail string) error {
	if err := s.failed(); err != nil {
		return err
	}
	return &Error{Offset: s.offset(), Detail: detail, Err: ErrTruncated}
}

func (s *source) readByte() (byte, bool) {
	if s.i >= s.n && !s.fill() {
		return 0, false
	}
	b := s.raw[s.i]
	s.i++
	return b, true
}

// readFull fills p and reports whether the stream had enough bytes.
func (s *source) readFull(p []byte) bool {
	for len(p) > 0 {
		if !s.fill() {
			return false
		}
		n := copy(p, s.raw[s.i:s.n])
		s.i += n
		p = p[n:]
	}
	return true
}

// skip discards n bytes and reports whether the stream had them.
func (s *source) skip(n int) bool {
	for n > 0 {
		if !s.fill() {
			return false
		}
		m := min(n, s.n-s.i)
		s.i += m
		n -= m
	}
	return true
}

// nextMarker skips everything up to the next marker, entropy-coded data and
// restart markers included, and returns the marker, or markerEOF. It runs at the
// speed of a byte search, and is used to skip scans.
func (s *source) nextMarker(restarts bool) byte {
	for s.fill() {
		i := bytes.IndexByte(s.raw[s.i:s.n], 0xff)
		if i < 0 {
			s.i = s.n
			continue
		}
		s.i += i + 1
		for {
			b, ok := s.readByte()
			if !ok {
				return markerEOF
			}
			if b == 0xff {
				continue // fill byte
			}
			if b == 0 || b >= mRST0 && b <= mRST7 && !restarts {
				break
			}
			return b
		}
	}
	return markerEOF
}
