// Package payload reads the body of an S3 request: it removes the aws-chunked
// coding, and verifies the length, the checksums and the chunk signatures that the
// client sent.
package payload

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

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/sigv4"
)

// Reader reads a body without its transport coding. It returns io.EOF only when
// the length, every checksum and every signature that came with the body matched;
// before that, nothing of the body may be stored.
type Reader struct {
	body    io.Reader
	chunked *chunkedReader // nil if the body is not chunked
	length  int64
	left    int64
	digests []digest
	trailer string // algorithm of the checksum that follows the body
	sum     checksum.Sum
	err     error // io.EOF or the reason why the body is refused
}

// digest is a hash over the body and the value it must have.
type digest struct {
	hash     hash.Hash
	want     []byte // nil: only computed
	mismatch *s3error.Error
	name     string // algorithm, if it is an additional checksum
}

// New prepares to read the body of r. It refuses a body of more than max bytes,
// and headers that contradict each other, before it reads anything.
func New(r *http.Request, max int64) (*Reader, error) {
	p := &Reader{body: r.Body, length: r.ContentLength}
	if err := p.readContentSHA256(r); err != nil {
		return nil, err
	}
	if p.length < 0 {
		return nil, s3error.MissingContentLength
	}
	if p.length > max {
		return nil, s3error.EntityTooLarge.WithMessage("Your proposed upload of %d bytes exceeds the maximum allowed size of %d.", p.length, max)
	}
	p.left = p.length
	if p.chunked == nil {
		p.body = io.LimitReader(p.body, p.length)
	}
	if values := r.Header.Values("Content-Md5"); len(values) > 0 {
		sum, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil || len(sum) != md5.Size || len(values) > 1 {
			return nil, s3error.InvalidDigest
		}
		p.digests = append(p.digests, digest{md5.New(), sum, s3error.BadDigest.WithMessage("The Content-MD5 you specified did not match what we received."), ""})
	}
	return p, p.readChecksum(r.Header)
}

// readContentSHA256 reads x-amz-content-sha256, which holds the hash of the body or
// the name of its coding.
func (p *Reader) readContentSHA256(r *http.Request) error {
	stated := r.Header.Get("X-Amz-Content-Sha256")
	coded := s3header.HasCoding(r.Header.Get("Content-Encoding"), "aws-chunked")
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
		return s3error.NotImplemented.WithMessage("The payload coding %q is not implemented.", stated)
	}
	if err != nil || len(sum) != sha256.Size {
		return s3error.InvalidArgument.WithMessage("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.")
	}
	if coded {
		return s3error.InvalidRequest.WithMessage("A chunked body has no single hash: x-amz-content-sha256 must name its coding.")
	}
	p.digests = append(p.digests, digest{sha256.New(), sum, s3error.ContentSHA256Mismatch, ""})
	return nil
}

// decode puts a decoder for aws-chunked before the body. Chunk signatures are
// verified only if the signature of the request itself was; without authentication
// they prove nothing.
func (p *Reader) decode(r *http.Request, signed, trailer bool) error {
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return s3error.MissingContentLength.WithMessage("You must provide the x-amz-decoded-content-length HTTP header.")
	}
	p.length = length
	p.chunked = newChunkedReader(r.Body, length, signed, trailer)
	if v, ok := sigv4.Chunks(r.Context()); ok && signed {
		p.chunked.verify = v
	}
	p.body = p.chunked
	return nil
}

// readChecksum prepares the one additional checksum, which is in a header or
// announced for the trailer.
func (p *Reader) readChecksum(h http.Header) error {
	algorithm, value, err := s3header.Checksum(h)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(h.Get("X-Amz-Trailer"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		rest, ok := strings.CutPrefix(name, "x-amz-checksum-")
		switch {
		case name == "":
		case !ok:
			return s3error.InvalidRequest.WithMessage("The value specified in the x-amz-trailer header is not supported")
		case algorithm != "":
			return s3error.InvalidRequest.WithMessage("Expecting a single x-amz-checksum- header")
		default:
			algorithm, p.trailer = rest, rest
		}
	}
	if algorithm == "" {
		return nil
	}
	sum, err := checksum.New(algorithm)
	if err != nil {
		return err
	}
	if p.trailer != "" && p.chunked == nil {
		return s3error.InvalidRequest.WithMessage("x-amz-trailer requires a chunked body")
	}
	d := digest{hash: sum, mismatch: s3error.BadDigest.WithMessage("The %s you specified did not match the calculated checksum.", strings.ToUpper(algorithm)), name: algorithm}
	if p.trailer == "" {
		if d.want, err = s3header.ParseSum("x-amz-checksum-"+algorithm, value, sum.Size()); err != nil {
			return err
		}
	}
	p.digests = append(p.digests, d)
	return nil
}

// Size returns the length of the decoded body in bytes.
func (p *Reader) Size() int64 { return p.length }

// HasDigest reports whether the client sent a checksum, an MD5 or a hash of the
// body.
func (p *Reader) HasDigest() bool { return len(p.digests) > 0 }

// Ended reports whether Read has returned io.EOF or an error.
func (p *Reader) Ended() bool { return p.err != nil }

// Checksum returns the additional checksum that the client sent. It is zero before
// io.EOF.
func (p *Reader) Checksum() checksum.Sum { return p.sum }

// Compute also computes a checksum that the client did not send, to be returned by
// Sum. It must be called before the first Read.
func (p *Reader) Compute(algorithm string) error {
	for _, d := range p.digests {
		if d.name == algorithm {
			return nil
		}
	}
	sum, err := checksum.New(algorithm)
	p.digests = append(p.digests, digest{hash: sum, name: algorithm})
	return err
}

// Sum returns the checksum of what was read, in base64, or "" if it was not
// computed.
func (p *Reader) Sum(algorithm string) string {
	for _, d := range p.digests {
		if d.name == algorithm {
			return base64.StdEncoding.EncodeToString(d.hash.Sum(nil))
		}
	}
	return ""
}

// Read reads the decoded body.
func (p *Reader) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.body.Read(b)
	p.left -= int64(n)
	for _, d := range p.digests {
		d.hash.Write(b[:n])
	}
	if err == nil {
		return n, nil
	}
	if p.err = p.end(err); p.err != io.EOF {
		n = 0 // the body is refused
	}
	return n, p.err
}

// end verifies the body as a whole. It returns io.EOF if everything matched.
func (p *Reader) end(err error) error {
	if err != io.EOF {
		if _, ok := errors.AsType[*s3error.Error](err); ok {
			return err
		}
		return s3error.IncompleteBody.WithMessage("The body could not be read to its end: %v", err)
	}
	if p.left != 0 {
		return s3error.IncompleteBody
	}
	if p.trailer != "" {
		if err := p.readTrailer(); err != nil {
			return err
		}
	}
	for _, d := range p.digests {
		if d.want != nil && !bytes.Equal(d.hash.Sum(nil), d.want) {
			return d.mismatch
		}
	}
	for _, d := range p.digests {
		if d.name != "" && d.want != nil {
			p.sum = checksum.Sum{Algorithm: d.name, Value: p.Sum(d.name), Type: checksum.FullObject}
		}
	}
	return io.EOF
}

// readTrailer takes the checksum that followed the body.
func (p *Reader) readTrailer() error {
	value, ok := p.chunked.trailers["x-amz-checksum-"+p.trailer]
	if !ok {
		return s3error.MalformedTrailer.WithMessage("The trailer x-amz-checksum-%s was announced and is missing.", p.trailer)
	}
	for i := range p.digests {
		if d := &p.digests[i]; d.name == p.trailer {
			want, err := s3header.ParseSum("x-amz-checksum-"+p.trailer, value, d.hash.Size())
			if err != nil {
				return err
			}
			d.want = want
		}
	}
	return nil
}
