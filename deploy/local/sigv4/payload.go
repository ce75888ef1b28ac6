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

// payloadHash returns the payload hash of the canonical request.
func (v *verifier) payloadHash(r *http.Request, sig *signature) (string, *Error) {
	stated := r.Header.Get("X-Amz-Content-Sha256")
	if v.opt.Service != "s3" {
		return v.hashBody(r)
	}
	if stated == "" && sig.presigned {
		if q := sig.query.Get("X-Amz-Content-Sha256"); q != "" {
			return q, nil
		}
		return UnsignedPayload, nil
	}
	if stated == "" {
		return "", &Error{Status: http.StatusBadRequest, Code: "InvalidRequest", Message: "Missing required header for this request: x-amz-content-sha256"}
	}
	return stated, nil
}

// hashBody reads the body up to MaxBodyBytes, hashes it, and keeps it for the
// handler.
func (v *verifier) hashBody(r *http.Request) (string, *Error) {
	tooLarge := &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: "The request body exceeds the maximum size of this service."}
	if r.ContentLength > v.opt.MaxBodyBytes {
		return "", tooLarge
	}
	b := r.Body.(*Body)
	if err := b.fill(v.opt.MaxBodyBytes); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return "", tooLarge
		}
		return "", &Error{Status: http.StatusBadRequest, Code: "IncompleteBody", Message: "The body could not be read whole."}
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

// Body is a request body that [Require] has read in order to hash it. It is
// valid until the handler returns.
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

// Bytes returns the whole body without a copy, however much of it Read has
// returned. The caller must neither change the slice nor keep it after the
// handler returns.
func (b *Body) Bytes() []byte { return b.buf.Bytes() }

func (b *Body) Read(p []byte) (int, error) { return b.read.Read(p) }

// Close closes the underlying request body.
func (b *Body) Close() error { return b.from.Close() }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooledBytes is the capacity above which a buffer is not reused.
const maxPooledBytes = 256 << 10

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooledBytes {
		buf.Reset()
		buffers.Put(buf)
	}
}
