package s3server

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/johannesboyne/gofakes3"

	"sluice/deploy/internal/requestid"
)

// maxXMLBytes is the room for the largest lists that S3 takes: 1,000 keys to delete, 10,000 parts to complete.
const maxXMLBytes = 8 << 20

// call is one request. It is also the backend that the layer works on: the layer hands a backend neither the context nor the
// headers of a request, so each request gets a backend of its own, which has both.
type call struct {
	target
	s       *Service
	r       *http.Request
	answer  *answer
	id      string // of the request
	payload *payload

	failed *Error  // the answer, whatever the layer makes of it
	found  *record // the object that a GET or HEAD found
	window *window // the range of it, nil for all

	deletions []deletion // of deleteMany
	source    source     // of a copy
	completed completion // of completeUpload
}

func (s *Service) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{s: s, r: r.Clone(r.Context()), id: requestid.New()}
	c.answer = &answer{ResponseWriter: w, call: c}
	w.Header().Set("X-Amz-Request-Id", c.id)
	w.Header().Set("Server", "AmazonS3")
	return c
}

func (c *call) ctx() context.Context { return c.r.Context() }

// serve answers the call or returns why not.
func (c *call) serve() error {
	var err error
	if c.target, err = route(c.r); err != nil {
		return err
	}
	switch c.action {
	case bucketLocation, bucketVersioning, bucketNotification:
		return c.serveSettings()
	case getTagging:
		return c.serveTagging()
	case listObjects:
		return c.serveList()
	case uploadPartCopy:
		return c.servePartCopy()
	case headBucket:
		c.answer.Header().Set("X-Amz-Bucket-Region", c.s.opt.Region)
	case copyObject:
		if c.source, err = parseSource(c.r.Header); err != nil {
			return err
		}
	case putObject, uploadPart:
		if c.payload, err = newPayload(c.r, c.s.opt.MaxObjectBytes); err != nil {
			return err
		}
	case deleteMany, completeUpload:
		return c.serveXML()
	}
	c.serveLayer(c.payload)
	return nil
}

// serveXML reads and verifies a small body before anything comes of it.
func (c *call) serveXML() error {
	var err error
	if c.action == completeUpload {
		if c.completed, err = newCompletion(c.r.Header); err != nil {
			return err
		}
		dropChecksums(c.r.Header) // they are the object's, not the body's
	}
	if c.payload, err = newPayload(c.r, maxXMLBytes); err != nil {
		return err
	}
	body, err := c.payload.verified(maxXMLBytes)
	if err != nil {
		return err
	}
	if c.action == completeUpload {
		err = c.completed.parse(body)
	} else {
		c.deletions, err = parseDeletions(body, c.payload)
	}
	if err != nil {
		return err
	}
	c.serveLayer(io.NopCloser(bytes.NewReader(body)))
	return nil
}

// serveLayer lets gofakes3 answer, on a request that holds what it understands and nothing else.
func (c *call) serveLayer(body io.ReadCloser) {
	r := c.r.Clone(c.ctx())
	r.URL.Path, r.URL.RawPath = c.path(), "" // no two readings of one path
	// Conditions and ranges are decided by the backend, which sees the object and its true ETag. The digests are verified already,
	// and the last header deletes a bucket with all that is in it.
	for _, name := range []string{
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Range",
		"Content-Md5", "X-Amz-Content-Sha256", "X-Minio-Force-Delete", "Origin",
	} {
		r.Header.Del(name)
	}
	r.Body = http.NoBody
	if c.payload != nil {
		r.Body = body
		r.ContentLength = c.payload.length
		r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		if c.action == uploadPart && r.ContentLength == 0 {
			r.Header.Set("Content-Length", "1") // the layer refuses empty parts, S3 does not; it does not use the figure
		}
	}
	gofakes3.New(c,
		gofakes3.WithoutVersioning(), gofakes3.WithIntegrityCheck(false), gofakes3.WithMetadataSizeLimit(0),
		gofakes3.WithTimeSkewLimit(0),
	).Server().ServeHTTP(c.answer, r)
}

// refuse answers err. Does nothing if an answer was begun.
func (c *call) refuse(err error) {
	if c.answer.status == 0 {
		_ = c.fail(err)
		c.answer.writeError(c.failed)
	}
}

// fail notes err as the answer and gives the layer an error of its own kind. A nil error stays nil.
func (c *call) fail(err error) error {
	if err == nil {
		return nil
	}
	e, ours := asError(err)
	if ours {
		c.s.opt.Logger.ErrorContext(c.ctx(), "a request failed", "method", c.r.Method, "path", c.r.URL.Path, "request", c.id, "error", err)
	}
	c.failed = e
	return gofakes3.ErrorMessage(gofakes3.ErrorCode(e.Code), e.Message)
}

// unread tells whether most of a body is still on its way.
func (c *call) unread() bool {
	return c.r.ContentLength > 256<<10 && (c.payload == nil || c.payload.err == nil)
}

// sourceIP is the client's address, for notices.
func (c *call) sourceIP() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}
