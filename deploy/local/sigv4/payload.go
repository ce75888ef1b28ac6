package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
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
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, g.opt.MaxBodyBytes))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return "", tooLarge
		}
		return "", &Error{Status: http.StatusBadRequest, Code: "IncompleteBody", Message: "The body could not be read whole."}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}
