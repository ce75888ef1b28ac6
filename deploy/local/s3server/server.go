// Package s3server serves the S3 protocol to any S3 client, over the objects of
// package objectstore.
//
// A request takes one way: package sigv4 authenticates it, route finds its
// operation, the operation parses headers and body, calls the store, and responds.
// Each operation has a file of its own. An operation that returns an error has not
// responded; the error becomes the response in one place.
//
// The package does not authenticate: see package sigv4. The handler needs the path
// as it was sent, so it must not be behind an http.ServeMux, which cleans paths.
package s3server

import (
	"cmp"
	"log/slog"
	"net/http"

	"sluice/deploy/internal/requestid"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

// Options configures [New]. The zero value works.
type Options struct {
	// Logger logs errors of the server. Nil means no logs.
	Logger *slog.Logger
}

// Server is an S3 endpoint for path-style requests, and for virtual hosts below
// localhost. It is safe for concurrent use.
type Server struct {
	objects *objectstore.Store
	log     *slog.Logger
}

// New returns a server for objects.
func New(objects *objectstore.Store, o Options) *Server {
	return &Server{objects: objects, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler))}
}

// ServeHTTP responds to one S3 request. If a read fails after the response has
// started, it aborts the connection, so that the client notices.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &request{Request: hr, id: requestid.New()}
	h := w.Header()
	h.Set("X-Amz-Request-Id", r.id)
	h.Set("X-Amz-Id-2", r.id)
	h.Set("Server", "AmazonS3")
	if err := s.serve(w, r); err != nil {
		s.refuse(w, r, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *request) error {
	run, err := route(r)
	if err != nil {
		return err
	}
	return run(s, w, r)
}

// refuse responds with the S3 error for err.
func (s *Server) refuse(w http.ResponseWriter, r *request, err error) {
	e, internal := s3error.Of(err)
	if internal {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "request", r.id, "error", err)
	}
	writeError(w, r, e)
}
