// Package sigv4 verifies AWS Signature Version 4, in the Authorization header
// or in the query of a presigned URL. Its middleware [Require] protects the
// local stack's object and queue servers, which do not authenticate requests
// themselves.
//
// A signature covers the method, the path, the query, the signed headers and
// the hash of the body. An S3 client sends that hash in x-amz-content-sha256,
// and this package does not compare it with the body: the S3 server must. For
// every other service this package reads and hashes the body.
package sigv4

import (
	"bytes"
	"cmp"
	"net/http"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	// UnsignedPayload is the value of x-amz-content-sha256 when the signature
	// does not cover the body.
	UnsignedPayload = "UNSIGNED-PAYLOAD"

	// maxExpiry is the longest lifetime of a presigned URL: seven days.
	maxExpiry = 7 * 24 * time.Hour

	// maxSkew is the largest accepted difference between the clocks of client
	// and server.
	maxSkew = 15 * time.Minute
)

// Credentials are the one key pair that [Require] accepts. With an empty access
// key or secret, Require refuses every request.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string

	// Region is the region that a signature's scope must name. Empty accepts
	// any region.
	Region string
}

// Options configures [Require]. The zero value means S3 with AWS's limits.
type Options struct {
	// Service is the service that a signature's scope must name. It also
	// selects the form of error responses: XML for "s3", JSON for any other.
	// Empty means "s3".
	Service string

	// Now returns the current time. Nil means time.Now.
	Now func() time.Time

	// MaxBodyBytes limits the body of a request to a service other than S3.
	// Zero means 8 MiB.
	MaxBodyBytes int64
}

// Require returns a handler that calls next for requests signed with creds and
// responds to all others with the service's own error. next verifies a chunked
// body with [Chunks]. For services other than S3, the request's Body is a
// [*Body]. The handler is safe for concurrent use.
func Require(creds Credentials, o Options, next http.Handler) http.Handler {
	o.Service = cmp.Or(o.Service, "s3")
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, 8<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &verifier{creds: creds, opt: o, next: next}
}

type verifier struct {
	creds Credentials
	opt   Options
	next  http.Handler
	keys  keyCache
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if v.opt.Service != "s3" {
		buf := buffers.Get().(*bytes.Buffer)
		defer putBuffer(buf)
		r.Body = &Body{from: r.Body, buf: buf}
	}
	seed, err := v.verify(r)
	if err != nil {
		err.write(w, r, v.opt.Service)
		return
	}
	v.next.ServeHTTP(w, r.WithContext(withSeed(r.Context(), seed)))
}

// verify returns the seed of the body's chunk signatures, or the reason why the
// request is refused.
func (v *verifier) verify(r *http.Request) (seed, *Error) {
	sig, err := parseSignature(r)
	if err != nil {
		return seed{}, err
	}
	if err := v.checkScope(sig); err != nil {
		return seed{}, err
	}
	if err := v.checkTime(sig); err != nil {
		return seed{}, err
	}
	if err := checkSigned(r, sig); err != nil {
		return seed{}, err
	}
	hash, err := v.payloadHash(r, sig)
	if err != nil {
		return seed{}, err
	}
	key := v.keys.get(v.creds.SecretAccessKey, sig)
	for _, path := range v.canonicalPaths(r) {
		want := sign(key, stringToSign(sig, canonicalRequest(r, sig, path, hash)))
		if equal(want, sig.value) {
			return seed{key: key, timestamp: sig.timestamp, scope: sig.scope(), signature: sig.value}, nil
		}
	}
	return seed{}, errSignature
}

// checkScope checks the access key, service and region that the signature
// names.
func (v *verifier) checkScope(sig *signature) *Error {
	if v.creds.AccessKeyID == "" || v.creds.SecretAccessKey == "" || !equal(sig.accessKey, v.creds.AccessKeyID) {
		return errAccessKey
	}
	switch {
	case sig.service != v.opt.Service:
		return sig.malformed("the service %q of the credential is wrong; expecting %q", sig.service, v.opt.Service)
	case v.creds.Region != "" && sig.region != v.creds.Region:
		return sig.malformed("the region %q is wrong; expecting %q", sig.region, v.creds.Region)
	case sig.hasToken:
		return errToken
	}
	return nil
}

// checkTime refuses requests whose time is too far from now, and expired
// presigned URLs.
func (v *verifier) checkTime(sig *signature) *Error {
	now := v.opt.Now()
	if !sig.presigned {
		if d := now.Sub(sig.time); d > maxSkew || d < -maxSkew {
			return errSkew
		}
		return nil
	}
	if sig.time.Sub(now) > maxSkew {
		return denied("Request is not yet valid")
	}
	if now.Sub(sig.time) > sig.expires {
		return denied("Request has expired")
	}
	return nil
}
