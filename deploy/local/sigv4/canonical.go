package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalPaths returns the forms of the path that a client may have signed.
// Clients escape a path differently: some sign the path as sent, others sign
// AWS's escaped form of it. Both forms name the same object. S3 signs the path
// escaped once; every other service escapes it a second time.
func (v *verifier) canonicalPaths(r *http.Request) []string {
	sent, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(sent, "/") {
		sent = r.URL.EscapedPath()
	}
	paths := []string{sent, escapePath(r.URL.Path)}
	for i, p := range paths {
		if p == "" {
			p = "/"
		}
		if v.opt.Service != "s3" {
			p = escapePath(p)
		}
		paths[i] = p
	}
	return slices.Compact(paths)
}

func canonicalRequest(r *http.Request, sig *signature, path, payloadHash string) []byte {
	b := make([]byte, 0, 1024)
	line := func(parts ...string) {
		for _, p := range parts {
			b = append(b, p...)
		}
		b = append(b, '\n')
	}
	line(r.Method)
	line(path)
	line(canonicalQuery(sig.query, sig.presigned))
	for _, name := range sig.headers {
		line(name, ":", headerValue(r, name))
	}
	line()
	for i, name := range sig.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...)
}

// canonicalQuery sorts the escaped pairs of q. A presigned URL's canonical
// query leaves out the signature itself.
func canonicalQuery(q url.Values, presigned bool) string {
	var pairs []string
	for k, vs := range q {
		if presigned && k == "X-Amz-Signature" {
			continue
		}
		for _, v := range vs {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	slices.SortFunc(pairs, func(a, b string) int {
		ak, av, _ := strings.Cut(a, "=")
		bk, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(ak, bk); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(pairs, "&")
}

// headerValue joins a header's values as the signer does: it trims each value
// and turns a run of spaces into one.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host": // net/http removes it from r.Header
		return r.Host
	case "content-length":
		if r.Header.Get("Content-Length") == "" && r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
	}
	values := r.Header.Values(name)
	if len(values) == 1 && isTrimmed(values[0]) {
		return values[0]
	}
	var vs []string
	for _, v := range values {
		vs = append(vs, strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " "))
	}
	return strings.Join(vs, ",")
}

// isTrimmed reports whether v has no spaces to trim or to join.
func isTrimmed(v string) bool {
	return !strings.HasPrefix(v, " ") && !strings.HasSuffix(v, " ") && !strings.Contains(v, "  ")
}

func stringToSign(sig *signature, canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return algorithm + "\n" + sig.timestamp + "\n" + sig.scope() + "\n" + hex.EncodeToString(sum[:])
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func sign(key []byte, s string) string { return hex.EncodeToString(mac(key, s)) }

// equal compares a and b in constant time, so that the time taken does not
// reveal how many leading bytes of a guess are right.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// escape escapes every byte but RFC 3986's unreserved characters, as AWS does:
// a space becomes %20.
func escape(s string) string { return escapeBytes(s, false) }

func escapePath(s string) string { return escapeBytes(s, true) }

func escapeBytes(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
