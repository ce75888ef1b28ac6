package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
)

// payloadHash is the hash that the signature must cover.
func (g *gate) payloadHash(r *http.Request, c *claim) (string, *Error) {
	stated := r.Header.Get("X-Amz-Content-Sha256")
	if g.opt.Service != "s3" {
		return g.hashBody(r)
	}
	if stated == "" && c.presigned {
		if q := c.query.Get("X-Amz-Content-Sha256"); q != "" {
			return q, nil
		}
		return UnsignedPayload, nil
	}
	if stated == "" {
		return "", &Error{Status: http.StatusBadRequest, Code: "InvalidRequest", Message: "Missing required header for this request: x-amz-content-sha256"}
	}
	return stated, nil
}

// hashBody reads the body, within the limit, and leaves it to be read again.
func (g *gate) hashBody(r *http.Request) (string, *Error) {
	tooLarge := &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: "The request is larger than this service takes."}
	if r.ContentLength > g.opt.MaxBodyBytes {
		return "", tooLarge
	}
	b := r.Body.(*Body)
	if err := b.fill(g.opt.MaxBodyBytes); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return "", tooLarge
		}
		return "", &Error{Status: http.StatusBadRequest, Code: "IncompleteBody", Message: "The body could not be read whole."}
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

// Body is a request's body that was read to be hashed. As with any request, it is gone when the handler has returned.
type Body struct {
	from io.ReadCloser
	buf  *bytes.Buffer
	read bytes.Reader
}

func (b *Body) fill(limit int64) error {
	_, err := b.buf.ReadFrom(http.MaxBytesReader(nil, b.from, limit))
	b.read.Reset(b.buf.Bytes())
	return err
}

// Bytes is the whole body, also after it was read. It saves who wants it whole a copy; it must not be changed, nor kept beyond the
// request.
func (b *Body) Bytes() []byte { return b.buf.Bytes() }

func (b *Body) Read(p []byte) (int, error) { return b.read.Read(p) }

// Close closes what the body came from.
func (b *Body) Close() error { return b.from.Close() }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBytes is the largest buffer that is kept for the next request: a rare giant is not.
const keptBytes = 256 << 10

func giveBack(buf *bytes.Buffer) {
	if buf.Cap() <= keptBytes {
		buf.Reset()
		buffers.Put(buf)
	}
}
