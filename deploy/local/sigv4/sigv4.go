// Package sigv4 lets only requests through that carry a right AWS Signature Version 4, in the Authorization header or in the
// query of a presigned URL. It is the lock on the doors of the one-machine home: the object and queue services behind it
// authenticate nobody.
//
// A signature covers the method, the path, the query, the signed headers and the hash of the body. For S3 the client states that
// hash in x-amz-content-sha256 and this package trusts the statement: the service behind it must compare it with the body. For
// every other service the body is read and hashed here.
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

	// UnsignedPayload stands in x-amz-content-sha256 when the body is not covered by the signature.
	UnsignedPayload = "UNSIGNED-PAYLOAD"

	// maxExpiry is the longest life of a presigned URL: seven days.
	maxExpiry = 7 * 24 * time.Hour
)

// Credentials are the one key pair that [Require] knows. With an empty access key or secret every request is refused.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string

	// Region must stand in the signature's scope. Empty accepts any.
	Region string
}

// Options say how strictly [Require] looks. The zero value is S3 with AWS's limits.
type Options struct {
	// Service must stand in the signature's scope, and chooses the form of errors: "s3" (the default) answers XML, any other JSON.
	Service string

	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	// MaxSkew is how far a client's clock may be off, either way. Zero means 15 minutes.
	MaxSkew time.Duration

	// MaxBodyBytes limits the bodies that are read to be hashed, which S3's are not. Zero means 8 MiB.
	MaxBodyBytes int64
}

// Require calls next for requests that creds have signed and answers all others with the service's own error. The handler is
// safe for concurrent use. next finds what it needs to check a chunked body by [Chunks], and for services other than S3 the whole
// body as a [*Body].
func Require(creds Credentials, o Options, next http.Handler) http.Handler {
	o.Service = cmp.Or(o.Service, "s3")
	o.MaxSkew = cmp.Or(o.MaxSkew, 15*time.Minute)
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, 8<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &gate{creds: creds, opt: o, next: next}
}

type gate struct {
	creds Credentials
	opt   Options
	next  http.Handler
	keys  keyCache
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.opt.Service != "s3" {
		buf := buffers.Get().(*bytes.Buffer)
		defer giveBack(buf)
		r.Body = &Body{from: r.Body, buf: buf}
	}
	seed, err := g.check(r)
	if err != nil {
		err.write(w, r, g.opt.Service)
		return
	}
	g.next.ServeHTTP(w, r.WithContext(withSeed(r.Context(), seed)))
}

// check returns what the chunks of the body are signed from, or why the request is refused.
func (g *gate) check(r *http.Request) (seed, *Error) {
	c, err := readClaim(r)
	if err != nil {
		return seed{}, err
	}
	if err := g.checkScope(c); err != nil {
		return seed{}, err
	}
	if err := g.checkTime(c); err != nil {
		return seed{}, err
	}
	if err := checkSigned(r, c); err != nil {
		return seed{}, err
	}
	hash, err := g.payloadHash(r, c)
	if err != nil {
		return seed{}, err
	}
	key := g.keys.get(g.creds.SecretAccessKey, c)
	for _, path := range g.canonicalPaths(r) {
		got := sign(key, stringToSign(c, canonicalRequest(r, c, path, hash)))
		if equal(got, c.signature) {
			return seed{key: key, time: c.stamp, scope: c.scope(), signature: c.signature}, nil
		}
	}
	return seed{}, errSignature
}

// checkScope compares what the signature says it is for with what we are.
func (g *gate) checkScope(c *claim) *Error {
	if g.creds.AccessKeyID == "" || g.creds.SecretAccessKey == "" || !equal(c.accessKey, g.creds.AccessKeyID) {
		return errAccessKey
	}
	switch {
	case c.service != g.opt.Service:
		return c.malformed("the service %q of the credential is wrong; expecting %q", c.service, g.opt.Service)
	case g.creds.Region != "" && c.region != g.creds.Region:
		return c.malformed("the region %q is wrong; expecting %q", c.region, g.creds.Region)
	case c.token:
		return errToken
	}
	return nil
}

// checkTime refuses clocks that are off and presigned URLs whose time is over.
func (g *gate) checkTime(c *claim) *Error {
	now := g.opt.Now()
	if !c.presigned {
		if d := now.Sub(c.time); d > g.opt.MaxSkew || d < -g.opt.MaxSkew {
			return errSkew
		}
		return nil
	}
	if c.time.Sub(now) > g.opt.MaxSkew {
		return denied("Request is not yet valid")
	}
	if now.Sub(c.time) > c.expires {
		return denied("Request has expired")
	}
	return nil
}
