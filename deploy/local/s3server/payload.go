package s3server

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"sluice/deploy/local/sigv4"
)

// payload is a request's body without its transport coding. Its reader sees EOF only when the length, every checksum and every
// signature that came with the body matched; until then nothing of it may be stored.
type payload struct {
	body    io.Reader
	chunked *chunkedReader // nil if the body is not chunked
	length  int64
	left    int64
	checks  []check
	trailer string // algorithm of the checksum that comes after the body
	sum     checksum
	err     error // the end, once it was reached
}

// check is a hash over the body and what it must be.
type check struct {
	hash     hash.Hash
	want     []byte
	mismatch *Error
	name     string // algorithm, if it is a checksum to keep
}

// newPayload looks at what the headers promise, and refuses what is too large before a byte is read.
func newPayload(r *http.Request, max int64) (*payload, error) {
	p := &payload{body: r.Body, length: r.ContentLength}
	if err := p.checkContentHash(r); err != nil {
		return nil, err
	}
	if p.length < 0 {
		return nil, errMissingLength
	}
	if p.length > max {
		return nil, errEntityTooLarge.because("Your proposed upload of %d bytes exceeds the maximum allowed size of %d.", p.length, max)
	}
	p.left = p.length
	if p.chunked == nil {
		p.body = io.LimitReader(p.body, p.length)
	}
	if values := r.Header.Values("Content-Md5"); len(values) > 0 {
		sum, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil || len(sum) != md5.Size || len(values) > 1 {
			return nil, errInvalidDigest
		}
		p.checks = append(p.checks, check{md5.New(), sum, errBadDigest.because("The Content-MD5 you specified did not match what we received."), ""})
	}
	return p, p.checkChecksum(r.Header)
}

// checkContentHash reads x-amz-content-sha256, which holds the body's hash or the name of its coding.
func (p *payload) checkContentHash(r *http.Request) error {
	stated := r.Header.Get("X-Amz-Content-Sha256")
	coded := hasCoding(r.Header.Get("Content-Encoding"), "aws-chunked")
	switch stated {
	case "", sigv4.UnsignedPayload:
		if !coded {
			return nil
		}
		return p.decode(r, false, r.Header.Get("X-Amz-Trailer") != "")
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		return p.decode(r, true, false)
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return p.decode(r, true, true)
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return p.decode(r, false, true)
	}
	sum, err := hex.DecodeString(stated)
	if strings.HasPrefix(stated, "STREAMING-") {
		return errNotImplemented.because("The payload coding %q is not implemented.", stated)
	}
	if err != nil || len(sum) != sha256.Size {
		return errInvalidArgument.because("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.")
	}
	if coded {
		return errInvalidRequest.because("A chunked body has no single hash: x-amz-content-sha256 must name its coding.")
	}
	p.checks = append(p.checks, check{sha256.New(), sum, errSHA256Mismatch, ""})
	return nil
}

// decode puts a decoder for aws-chunked before the body. Signatures can be verified only if the request's own was; else the home
// is open, and there is nothing they could prove.
func (p *payload) decode(r *http.Request, signed, trailer bool) error {
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return errMissingLength.because("You must provide the x-amz-decoded-content-length HTTP header.")
	}
	p.length = length
	p.chunked = newChunkedReader(r.Body, length, signed, trailer)
	if v, ok := sigv4.Chunks(r.Context()); ok && signed {
		p.chunked.verify = v
	}
	p.body = p.chunked
	return nil
}

// checkChecksum prepares the one additional checksum, in a header or announced for the trailer.
func (p *payload) checkChecksum(h http.Header) error {
	algorithm, value, err := headerChecksum(h)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(h.Get("X-Amz-Trailer"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		rest, ok := strings.CutPrefix(name, "x-amz-checksum-")
		switch {
		case name == "":
		case !ok:
			return errInvalidRequest.because("The value specified in the x-amz-trailer header is not supported")
		case algorithm != "":
			return errInvalidRequest.because("Expecting a single x-amz-checksum- header")
		default:
			algorithm, p.trailer = rest, rest
		}
	}
	if algorithm == "" {
		return nil
	}
	sum, err := newChecksum(algorithm)
	if err != nil {
		return err
	}
	if p.trailer != "" && p.chunked == nil {
		return errInvalidRequest.because("x-amz-trailer needs a chunked body")
	}
	c := check{hash: sum, mismatch: errBadDigest.because("The %s you specified did not match the calculated checksum.", strings.ToUpper(algorithm)), name: algorithm}
	if p.trailer == "" {
		if c.want, err = parseSum("x-amz-checksum-"+algorithm, value, sum.Size()); err != nil {
			return err
		}
	}
	p.checks = append(p.checks, c)
	return nil
}

// also adds a checksum that nobody asked to be compared, to be read by sumOf after EOF.
func (p *payload) also(algorithm string) error {
	if algorithm == "" || p.has(algorithm) {
		return nil
	}
	sum, err := newChecksum(algorithm)
	p.checks = append(p.checks, check{hash: sum, name: algorithm})
	return err
}

func (p *payload) has(algorithm string) bool {
	for _, c := range p.checks {
		if c.name == algorithm {
			return true
		}
	}
	return false
}

// sumOf returns the checksum of what was read.
func (p *payload) sumOf(algorithm string) string {
	for _, c := range p.checks {
		if c.name == algorithm {
			return base64.StdEncoding.EncodeToString(c.hash.Sum(nil))
		}
	}
	return ""
}

// Read reads the decoded body.
func (p *payload) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.body.Read(b)
	p.left -= int64(n)
	for _, c := range p.checks {
		c.hash.Write(b[:n])
	}
	if err == nil {
		return n, nil
	}
	if p.err = p.end(err); p.err != io.EOF {
		n = 0 // what cannot be trusted is not handed out
	}
	return n, p.err
}

// end judges the whole body.
func (p *payload) end(err error) error {
	if err != io.EOF {
		if _, ok := errors.AsType[*Error](err); ok {
			return err
		}
		return errIncompleteBody.because("The body could not be read whole: %v", err)
	}
	if p.left != 0 {
		return errIncompleteBody
	}
	if p.trailer != "" {
		if err := p.readTrailer(); err != nil {
			return err
		}
	}
	for _, c := range p.checks {
		if c.want != nil && !bytes.Equal(c.hash.Sum(nil), c.want) {
			return c.mismatch
		}
	}
	for _, c := range p.checks {
		if c.name != "" && c.want != nil {
			p.sum = checksum{c.name, p.sumOf(c.name), fullObject}
		}
	}
	return io.EOF
}

// readTrailer takes the checksum that came after the body.
func (p *payload) readTrailer() error {
	value, ok := p.chunked.trailers["x-amz-checksum-"+p.trailer]
	if !ok {
		return errMalformedTrailer.because("The trailer x-amz-checksum-%s was announced and did not come.", p.trailer)
	}
	for i := range p.checks {
		if c := &p.checks[i]; c.name == p.trailer {
			want, err := parseSum("x-amz-checksum-"+p.trailer, value, c.hash.Size())
			if err != nil {
				return err
			}
			c.want = want
		}
	}
	return nil
}

// Close lets a payload be a request's body.
func (p *payload) Close() error { return nil }

// verified reads a small body to its end. The XML decoders of the layer stop at the last tag, where nothing is verified yet.
func (p *payload) verified(max int64) ([]byte, error) {
	if p.length > max {
		return nil, errMalformedXML.because("The XML you provided is larger than %d bytes.", max)
	}
	return io.ReadAll(p)
}

// hasCoding tells whether coding is one of a Content-Encoding's.
func hasCoding(header, coding string) bool {
	for c := range strings.SplitSeq(header, ",") {
		if strings.EqualFold(strings.TrimSpace(c), coding) {
			return true
		}
	}
	return false
}

// withoutCoding takes coding out of a Content-Encoding.
func withoutCoding(header, coding string) string {
	var kept []string
	for c := range strings.SplitSeq(header, ",") {
		if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, coding) {
			kept = append(kept, c)
		}
	}
	return strings.Join(kept, ",")
}
