package s3server

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer corrects what the layer writes on its way to the client.
type answer struct {
	http.ResponseWriter
	call    *call
	status  int  // 0 until the header is out
	replace bool // the layer's body is dropped
}

// WriteHeader sends the header, or the error in its place that the call met below the layer.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		if status >= 400 && a.status < 300 {
			panic(http.ErrAbortHandler) // the body broke off; an error's XML must not become part of it
		}
		return
	}
	h := a.Header()
	h.Set("X-Amz-Request-Id", a.call.id)
	for name := range h {
		// The layer invites every web page to read. It also names a delete marker that only versioned buckets have.
		if strings.HasPrefix(name, "Access-Control-") || name == "X-Amz-Delete-Marker" {
			delete(h, name)
		}
	}
	if e := a.call.failed; e != nil {
		a.replace = true
		a.writeError(e)
		return
	}
	if found := a.call.found; found != nil && status < 300 && (a.call.action == getObject || a.call.action == headObject) {
		status = a.describe(found, status)
	}
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// describe sets the headers of an object that the layer does not know.
func (a *answer) describe(found *record, status int) int {
	h := a.Header()
	h.Set("ETag", quote(found.ETag))
	c := a.call
	if c.r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && c.window == nil {
		found.Checksum.setHeader(h)
	}
	if n := found.parts(); n > 0 && c.query.Has("partNumber") {
		h.Set("X-Amz-Mp-Parts-Count", strconv.FormatInt(n, 10))
	}
	if c.action == headObject && c.window != nil { // the layer was not told of it
		h.Set("Content-Length", strconv.FormatInt(c.window.length, 10))
		h.Set("Content-Range", c.window.contentRange(found.Size))
		return http.StatusPartialContent
	}
	return status
}

// Write sends the body, unless the layer's answer was replaced.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		if a.call.action != getObject && bytes.HasPrefix(b, []byte("<?xml")) {
			a.Header().Set("Content-Type", "application/xml") // the layer sets it too late
		}
		a.WriteHeader(http.StatusOK)
	}
	if a.replace {
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// ReadFrom lets a body go from its file to the socket without passing through us.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.replace {
		return io.Copy(io.Discard, r)
	}
	if b, ok := r.(*openBody); ok {
		r = b.Reader
	}
	return io.Copy(a.ResponseWriter, r)
}

// finish sends the header of an answer that has no body.
func (a *answer) finish() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
}

// writeError sends e. It may be called once, before anything was written.
func (a *answer) writeError(e *Error) {
	a.status = e.Status
	h := a.Header()
	h.Del("Content-Length")
	if found := a.call.found; found != nil && (e.Is(errNotModified) || e.Is(errPrecondition)) {
		h.Set("ETag", quote(found.ETag))
		h.Set("Last-Modified", httpTime(found.Modified))
	}
	if found := a.call.found; found != nil && e.Is(errInvalidRange) {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(found.Size, 10))
	}
	if a.call.unread() { // reading a large body only to drop it helps nobody
		h.Set("Connection", "close")
	}
	if a.call.r.Method == http.MethodHead || e.Status == http.StatusNotModified {
		a.ResponseWriter.WriteHeader(e.Status)
		return
	}
	body, _ := xml.Marshal(errorBody{Code: e.Code, Message: e.Message, Resource: a.call.r.URL.Path, RequestID: a.call.id})
	h.Set("Content-Type", "application/xml")
	a.ResponseWriter.WriteHeader(e.Status)
	_, _ = a.ResponseWriter.Write(append([]byte(xml.Header), body...)) // the client may be gone
}

// writeXML sends v as the answer.
func (a *answer) writeXML(v any) error {
	body, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	a.Header().Set("Content-Type", "application/xml")
	a.WriteHeader(http.StatusOK)
	_, _ = a.Write(append([]byte(xml.Header), body...)) // the client may be gone
	return nil
}

func quote(etag string) string { return `"` + etag + `"` }

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
