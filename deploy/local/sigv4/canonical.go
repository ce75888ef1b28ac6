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

// canonicalPaths gives the forms of the path that a client may have signed. Clients agree on the path's meaning, not always on
// how it is escaped: some sign what they send, some sign AWS's own form of it. Both name the same object. S3 signs the escaped
// path once, every other service escapes it a second time.
func (g *gate) canonicalPaths(r *http.Request) []string {
	sent, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(sent, "/") {
		sent = r.URL.EscapedPath()
	}
	paths := []string{sent, escapePath(r.URL.Path)}
	for i, p := range paths {
		if p == "" {
			p = "/"
		}
		if g.opt.Service != "s3" {
			p = escapePath(p)
		}
		paths[i] = p
	}
	return slices.Compact(paths)
}

func canonicalRequest(r *http.Request, c *claim, path, payloadHash string) []byte {
	b := make([]byte, 0, 1024)
	line := func(parts ...string) {
		for _, p := range parts {
			b = append(b, p...)
		}
		b = append(b, '\n')
	}
	line(r.Method)
	line(path)
	line(canonicalQuery(c.query, c.presigned))
	for _, name := range c.headers {
		line(name, ":", headerValue(r, name))
	}
	line()
	for i, name := range c.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...)
}

// canonicalQuery sorts the escaped pairs. The signature itself is no part of a presigned URL's query.
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

// headerValue joins a header's values as the signer did: trimmed, runs of blanks as one.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host": // net/http keeps it apart
		return r.Host
	case "content-length":
		if r.Header.Get("Content-Length") == "" && r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
	}
	values := r.Header.Values(name)
	if len(values) == 1 && plain(values[0]) {
		return values[0]
	}
	var vs []string
	for _, v := range values {
		vs = append(vs, strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " "))
	}
	return strings.Join(vs, ",")
}

// plain tells whether a header's value has no blanks to trim or join.
func plain(v string) bool {
	return !strings.HasPrefix(v, " ") && !strings.HasSuffix(v, " ") && !strings.Contains(v, "  ")
}

func stringToSign(c *claim, canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return algorithm + "\n" + c.stamp + "\n" + c.scope() + "\n" + hex.EncodeToString(sum[:])
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func sign(key []byte, s string) string { return hex.EncodeToString(mac(key, s)) }

// equal compares in constant time: the time taken must not tell how much of a guess was right.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// escape escapes all but RFC 3986's unreserved characters, as AWS does: a space is %20.
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
