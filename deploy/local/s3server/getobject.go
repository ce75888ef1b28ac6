package s3server

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/s3server/s3header"
)

// getObject serves GetObject and HeadObject.
func getObject(s *Server, w http.ResponseWriter, r *request) error {
	if r.Method == http.MethodHead {
		o, err := s.objects.Stat(r.bucket, r.key)
		if err != nil {
			return err
		}
		_, err = writeObjectHeader(w, r, o)
		return err
	}
	o, f, err := s.objects.Open(r.bucket, r.key)
	if err != nil {
		return err
	}
	defer f.Close()
	part, err := writeObjectHeader(w, r, o)
	if err != nil {
		return err
	}
	if part != nil {
		_, err = f.Seek(part.Start, io.SeekStart)
	} else {
		part = &objectstore.Range{Length: o.Size}
	}
	var n int64
	if err == nil { // *os.File behind an io.LimitedReader: the kernel copies
		n, err = io.Copy(w, io.LimitReader(f, part.Length))
	}
	if err == nil && n != part.Length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		s.log.DebugContext(r.Context(), "response aborted", "path", r.URL.Path, "request", r.id, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// writeObjectHeader writes the header of the response for o, and returns the range
// of the body, nil for the whole. If it returns an error, it has written nothing.
func writeObjectHeader(w http.ResponseWriter, r *request, o *objectstore.Object) (*objectstore.Range, error) {
	h := w.Header()
	h.Set("ETag", s3header.Quote(o.ETag))
	h.Set("Last-Modified", s3header.Time(o.Modified))
	if err := s3header.CheckRead(r.Header, "", o); err != nil {
		return nil, err
	}
	part, err := chooseRange(r, o)
	if err != nil {
		h.Del("ETag")
		h.Del("Last-Modified")
		if errors.Is(err, s3error.InvalidRange) {
			h.Set("Content-Range", "bytes */"+strconv.FormatInt(o.Size, 10))
		}
		return nil, err
	}
	s3header.SetMetadata(h, o.Metadata)
	h.Set("Accept-Ranges", "bytes")
	for parameter, name := range responseOverrides {
		if v := r.query.Get(parameter); v != "" {
			h.Set(name, v)
		}
	}
	if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && part == nil {
		s3header.SetChecksum(h, o.Checksum)
	}
	if n := o.PartCount(); n > 0 && r.query.Has("partNumber") {
		h.Set("X-Amz-Mp-Parts-Count", strconv.FormatInt(n, 10))
	}
	if part == nil {
		h.Set("Content-Length", strconv.FormatInt(o.Size, 10))
		w.WriteHeader(http.StatusOK)
		return nil, nil
	}
	h.Set("Content-Length", strconv.FormatInt(part.Length, 10))
	h.Set("Content-Range", s3header.ContentRange(part, o.Size))
	w.WriteHeader(http.StatusPartialContent)
	return part, nil
}

var responseOverrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-expires":             "Expires",
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
}

// chooseRange evaluates Range, If-Range and partNumber. It returns nil for the
// whole object.
func chooseRange(r *request, o *objectstore.Object) (*objectstore.Range, error) {
	header := r.Header.Get("Range")
	if cond := r.Header.Get("If-Range"); cond != "" && !objectstore.MatchesETag(cond, o.ETag) && cond != s3header.Time(o.Modified) {
		header = ""
	}
	if !r.query.Has("partNumber") {
		return s3header.ParseRange(header, o.Size)
	}
	if header != "" {
		return nil, s3error.InvalidRequest.WithMessage("Cannot specify both Range header and partNumber query parameter.")
	}
	n, err := s3header.PartNumber(r.query.Get("partNumber"))
	if err != nil {
		return nil, err
	}
	part, err := o.PartRange(int64(n))
	if err != nil || part.Length == 0 { // Content-Range has no form for an empty range
		return nil, err
	}
	return part, nil
}
