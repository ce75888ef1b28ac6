package httpevent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxResponseBytes is what Lambda takes of a response in JSON.
const MaxResponseBytes = 6<<20 + 100

// Handler is a lambda.Handler that serves events with an http.Handler. Safe for
// concurrent use, as far as the http.Handler is.
type Handler struct {
	next http.Handler
}

// NewHandler returns a Handler that serves with next.
func NewHandler(next http.Handler) *Handler { return &Handler{next} }

// Invoke serves one event. The request's context ends when the invocation's
// does. A payload that is no HTTP event is an *EventError, and a panic of the
// http.Handler a *PanicError: the service then responds 502, or 500.
func (h *Handler) Invoke(ctx context.Context, payload []byte) (_ []byte, err error) {
	r, e, err := Decode(ctx, payload)
	if err != nil {
		return nil, err
	}
	w := &responseWriter{header: make(http.Header)}
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	h.next.ServeHTTP(w, r)
	return e.respond(w, r.Method)
}

// PanicError says that an http.Handler panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// responseWriter keeps a response. It is not safe for concurrent use, as no
// http.ResponseWriter is.
type responseWriter struct {
	header http.Header
	sent   http.Header // as it was at WriteHeader
	code   int
	body   bytes.Buffer
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(code int) {
	if w.code == 0 && code >= 200 { // an informational response is not the response
		w.code, w.sent = code, w.header.Clone()
	}
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		if w.header.Get("Content-Type") == "" && w.header.Get("Content-Encoding") == "" && len(b) > 0 {
			w.header.Set("Content-Type", http.DetectContentType(b))
		}
		w.WriteHeader(http.StatusOK)
	}
	return w.body.Write(b)
}

// response has the members of all kinds of responses.
type response struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription string              `json:"statusDescription,omitempty"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// respond writes a response in the form of the event's kind.
func (e *Event) respond(w *responseWriter, method string) ([]byte, error) {
	w.WriteHeader(http.StatusOK) // no effect after the handler's own
	out := response{StatusCode: w.code}
	body := w.body.Bytes()
	if method == http.MethodHead || w.code == http.StatusNoContent || w.code == http.StatusNotModified {
		body = nil
	}
	if isText(w.sent, body) {
		out.Body = string(body)
	} else {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	header := w.sent
	header.Del("Content-Length") // the service counts
	switch {
	case e.version2:
		out.Cookies = header["Set-Cookie"]
		header.Del("Set-Cookie")
		out.Headers = joined(header)
	case e.Kind == ALB && !e.multiValue:
		// One value a name: several cookies need a target group with
		// multi-value headers.
		out.Headers = joined(header)
	default:
		out.MultiValueHeaders = header
	}
	if e.Kind == ALB {
		out.StatusDescription = strconv.Itoa(w.code) + " " + http.StatusText(w.code)
	}
	b, err := json.Marshal(out)
	if err == nil && len(b) > MaxResponseBytes {
		err = fmt.Errorf("HTTP response: got %d bytes as JSON, Lambda takes %d", len(b), MaxResponseBytes)
	}
	return b, err
}

// joined has the values of each name in one, as RFC 9110 allows. Set-Cookie,
// which cannot be joined, keeps its last value.
func joined(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		if out[name] = strings.Join(values, ", "); name == "Set-Cookie" {
			out[name] = values[len(values)-1]
		}
	}
	return out
}

// isText reports whether a body can be a JSON string as it is.
func isText(h http.Header, body []byte) bool {
	if len(body) == 0 {
		return true
	}
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	text := err == nil && (strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "+xml") ||
		mediaType == "application/json" || mediaType == "application/xml" || mediaType == "application/javascript" || mediaType == "application/x-www-form-urlencoded")
	return text && utf8.Valid(body)
}
