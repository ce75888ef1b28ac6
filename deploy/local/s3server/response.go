package s3server

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

const xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// writeXML responds with v.
func writeXML(w http.ResponseWriter, v any) error {
	body, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, body)
	return nil
}

// writeError responds with e. An operation sets headers that belong to the error,
// such as the ETag of 304 Not Modified, before it returns the error.
func writeError(w http.ResponseWriter, r *request, e *s3error.Error) {
	if r.unread() { // instead of reading a large body and dropping it
		w.Header().Set("Connection", "close")
	}
	if r.Method == http.MethodHead || e.Status == http.StatusNotModified {
		w.WriteHeader(e.Status)
		return
	}
	body, _ := xml.Marshal(struct { // strings always have a form in XML
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}{Code: e.Code, Message: e.Message, Resource: r.URL.Path, RequestID: r.id})
	write(w, e.Status, body)
}

func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(xml.Header)+len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // fails if the client is gone
}

// xmlText is the text of a key in a list, in which characters without a form in XML 1.0 are written as
// references to them, as S3 does. A reader then fails instead of reading another
// key. encoding-type=url is the way to list such keys. Where a client knows the key, such
// as in the response to its own upload, the character becomes U+FFFD instead.
type xmlText struct {
	Text string `xml:",innerxml"`
}

func newXMLText(s string) xmlText {
	var b strings.Builder
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			b.WriteString("&#x" + strconv.FormatInt(int64(r), 16) + ";")
			continue
		}
		_ = xml.EscapeText(&b, []byte(string(r))) // a Builder does not fail
	}
	return xmlText{b.String()}
}

// xmlTime formats a time as S3's XML does.
func xmlTime(t time.Time) string { return t.UTC().Format(objectstore.TimeFormat) }

// owner is the owner of every bucket and object.
type owner struct{ ID, DisplayName string }

var localOwner = owner{"sluice", "sluice"}

// textEncoder returns the function that writes keys in a list, by the
// encoding-type parameter of the request.
func (r *request) textEncoder() (func(string) xmlText, error) {
	switch encoding := r.query.Get("encoding-type"); encoding {
	case "":
		return newXMLText, nil
	case "url":
		return func(s string) xmlText { return newXMLText(objectstore.EscapeKey(s)) }, nil
	default:
		return nil, s3error.InvalidArgument.WithMessage("Invalid Encoding Method specified in Request")
	}
}

// optional encodes s, and returns nil if it is empty, which omits the element.
func optional(encode func(string) xmlText, s string) *xmlText {
	if s == "" {
		return nil
	}
	t := encode(s)
	return &t
}
