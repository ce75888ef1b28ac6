package s3server

import (
	"encoding/xml"
	"io"
	"net"
	"net/http"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/payload"
	"sluice/deploy/local/s3server/s3error"
)

// maxXMLBytes limits an XML body before it is parsed. It holds the largest lists
// that S3 accepts: 1,000 keys to delete, 10,000 parts to complete.
const maxXMLBytes = 8 << 20

// request is one S3 request.
type request struct {
	*http.Request
	target
	id   string
	body *payload.Reader // nil until readBody
}

// readBody prepares to read a body of at most max bytes.
func (r *request) readBody(max int64) (err error) {
	r.body, err = payload.New(r.Request, max)
	return err
}

// readXML parses the XML body into v. It verifies the whole body first: a parser
// stops at the last tag, before checksums are compared.
func (r *request) readXML(v any) error {
	if err := r.readBody(maxXMLBytes); err != nil {
		return err
	}
	raw, err := io.ReadAll(r.body)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(raw, v); err != nil {
		return s3error.MalformedXML
	}
	return nil
}

// unread reports whether much of the body has not arrived.
func (r *request) unread() bool {
	return r.ContentLength > 256<<10 && (r.body == nil || !r.body.Ended())
}

// requester identifies the request in S3 events.
func (r *request) requester() objectstore.Requester {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	return objectstore.Requester{RequestID: r.id, SourceIP: ip}
}
