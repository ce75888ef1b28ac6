package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/pipeline/httpevent"
)

const (
	requestIDHeader = "X-Request-Id"
	allowedMethods  = "GET, POST, PUT, PATCH, DELETE"
	allowedHeaders  = "Authorization, Content-Type, If-Match, Idempotency-Key"
	exposedHeaders  = requestIDHeader + ", Retry-After, Location, ETag"
	// maxDepth bounds the nesting of a body.
	maxDepth = 32
)

type requestIDKey struct{}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// middleware wraps the routes with what every response has: the request's id,
// the headers of security and CORS, and a line in the log.
func (w *Worker) middleware(mux *http.ServeMux) http.Handler {
	origins := w.config.origins()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := rand.Text()
		if info, ok := httpevent.FromContext(r.Context()); ok {
			id = cmp.Or(info.RequestID, traceRoot(r), id)
		}
		r = r.WithContext(context.WithValue(withToken(withClient(r), r), requestIDKey{}, id))
		out := &statusWriter{ResponseWriter: rw, status: http.StatusOK}
		h := out.Header()
		h.Set(requestIDHeader, id)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("X-Content-Type-Options", "nosniff")
		defer func() {
			if v := recover(); v != nil {
				w.log.ErrorContext(r.Context(), "panic", "request", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				if !out.wrote {
					problem(out, r, http.StatusInternalServerError, internalError(r.Context()))
				}
			}
			// The path may hold a token; the pattern does not.
			w.log.InfoContext(r.Context(), "request", "request", id, "method", r.Method, "route", r.Pattern, "status", out.status,
				"ms", time.Since(began).Milliseconds())
		}()
		if preflight := cors(h, r, origins); preflight {
			out.WriteHeader(http.StatusNoContent)
			return
		}
		w.route(mux, out, r)
	})
}

// traceRoot is the Root of the X-Ray trace header, which identifies a request of
// an ALB.
func traceRoot(r *http.Request) string {
	for field := range strings.SplitSeq(r.Header.Get("X-Amzn-Trace-Id"), ";") {
		if root, ok := strings.CutPrefix(field, "Root="); ok && traceRootForm.MatchString(root) {
			return root
		}
	}
	return ""
}

var traceRootForm = regexp.MustCompile(`^1-[0-9a-f]{8}-[0-9a-f]{24}$`)

// route checks the body and calls the route's handler.
func (w *Worker) route(mux *http.ServeMux, out http.ResponseWriter, r *http.Request) {
	handler, pattern := mux.Handler(r)
	if pattern == "" {
		notRouted(handler, out, r)
		return
	}
	if code, reason := checkBody(r, int64(w.config.MaxBody)); code != 0 {
		problem(out, r, code, reason)
		return
	}
	mux.ServeHTTP(out, r)
}

// notRouted writes the mux's response, a 404, a 405 or a redirect, as a problem.
func notRouted(handler http.Handler, out http.ResponseWriter, r *http.Request) {
	plain := &headerOnly{header: make(http.Header), status: http.StatusOK}
	handler.ServeHTTP(plain, r)
	for _, name := range []string{"Allow", "Location"} {
		if value := plain.header.Get(name); value != "" {
			out.Header().Set(name, value)
		}
	}
	switch plain.status {
	case http.StatusMethodNotAllowed:
		problem(out, r, plain.status, "got the method "+r.Method+", want "+plain.header.Get("Allow"))
	case http.StatusNotFound:
		problem(out, r, plain.status, "no such route")
	default:
		problem(out, r, plain.status, http.StatusText(plain.status))
	}
}

// checkBody reads the body, up to max bytes, and replaces it with what it read.
// A body must be JSON without duplicate names. code is 0 if it is, or if there
// is no body.
func checkBody(r *http.Request, max int64) (code int, reason string) {
	if r.Body == nil {
		return 0, ""
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, max+1))
	switch {
	case err != nil:
		return http.StatusBadRequest, "the body ended early"
	case int64(len(body)) > max:
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("body: want at most %d bytes", max)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return 0, ""
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, "Content-Type: want application/json"
	}
	if err := checkJSON(body); err != nil {
		return http.StatusBadRequest, "body: " + err.Error()
	}
	return 0, ""
}

var errNoJSON = errors.New("got no JSON")

// checkJSON reports what encoding/json accepts and another reader may read
// differently: names that stand twice in an object, deep nesting, and data behind
// the value.
func checkJSON(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	type level struct {
		names map[string]bool // nil in a list
		name  bool            // a name comes next
	}
	var stack []level
	for {
		token, err := d.Token()
		if err != nil {
			return errNoJSON
		}
		top := len(stack) - 1
		if delim, ok := token.(json.Delim); ok {
			switch delim {
			case '{':
				stack = append(stack, level{map[string]bool{}, true})
			case '[':
				stack = append(stack, level{})
			default:
				stack = stack[:top]
			}
			if len(stack) > maxDepth {
				return fmt.Errorf("got more than %d levels", maxDepth)
			}
			if delim == '{' || delim == '[' {
				continue
			}
		} else if top >= 0 && stack[top].name {
			// encoding/json matches names without regard to case.
			name := strings.ToLower(token.(string))
			if stack[top].names[name] {
				return fmt.Errorf("got the name %q twice in an object", name)
			}
			stack[top].names[name], stack[top].name = true, false
			continue
		}
		if top = len(stack) - 1; top < 0 {
			break
		}
		stack[top].name = stack[top].names != nil
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNoJSON
	}
	return nil
}

// cors sets the headers of CORS and reports whether r is a preflight.
func cors(h http.Header, r *http.Request, origins []string) (preflight bool) {
	origin := r.Header.Get("Origin")
	preflight = r.Method == http.MethodOptions && origin != "" && r.Header.Get("Access-Control-Request-Method") != ""
	h.Add("Vary", "Origin")
	switch {
	case origin == "":
	case slices.Contains(origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return preflight
	}
	if origin == "" {
		return preflight
	}
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if preflight {
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", "600")
	}
	return preflight
}

// problem writes an RFC 9457 problem.
func problem(out http.ResponseWriter, r *http.Request, code int, detail string) {
	out.Header().Set("Content-Type", "application/problem+json")
	out.WriteHeader(code)
	if r.Method != http.MethodHead {
		// The client may be gone.
		_ = json.NewEncoder(out).Encode(huma.ErrorModel{Title: http.StatusText(code), Status: code, Detail: detail})
	}
}

// internalError is the detail of a 500.
func internalError(ctx context.Context) string {
	return "internal error in request " + requestIDOf(ctx)
}

// statusWriter notes the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (s *statusWriter) WriteHeader(code int) {
	if !s.wrote {
		s.status, s.wrote = code, true
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	s.wrote = true
	return s.ResponseWriter.Write(b)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// headerOnly is a response whose body is discarded.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) WriteHeader(code int)        { h.status = code }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
