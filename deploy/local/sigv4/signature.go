package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signature is the parsed signature of a request. Its fields are untrusted
// until value matches the computed signature.
type signature struct {
	presigned bool // true when it comes from the query

	accessKey, date, region, service string

	timestamp string // X-Amz-Date as sent
	time      time.Time
	expires   time.Duration // lifetime of a presigned URL
	headers   []string      // names of the signed headers: lower case, sorted
	value     string        // hexadecimal HMAC
	hasToken  bool          // the request carries a session token
	query     url.Values
}

func (sig *signature) scope() string {
	return sig.date + "/" + sig.region + "/" + sig.service + "/" + terminator
}

// malformed returns the error for a signature that cannot be parsed: S3 has one
// error code for the query and one for the header.
func (sig *signature) malformed(format string, args ...any) *Error {
	if sig.presigned {
		return &Error{Status: http.StatusBadRequest, Code: "AuthorizationQueryParametersError", Message: fmt.Sprintf(format, args...)}
	}
	return &Error{Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed", Message: "The authorization header is malformed; " + fmt.Sprintf(format, args...)}
}

// parseSignature parses the one signature of r.
func parseSignature(r *http.Request) (*signature, *Error) {
	var query url.Values
	if r.URL.RawQuery != "" {
		var err error
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, &Error{Status: http.StatusBadRequest, Code: "InvalidURI", Message: "Couldn't parse the specified URI."}
		}
	}
	auth := r.Header.Values("Authorization")
	inQuery := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") || query.Has("X-Amz-Credential")
	sig := &signature{presigned: inQuery, query: query}
	switch {
	case len(auth) > 1, len(auth) == 1 && (inQuery || query.Has("Signature")):
		return nil, &Error{
			Status: http.StatusBadRequest, Code: "InvalidArgument",
			Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
		}
	case inQuery:
		return sig, sig.fromQuery()
	case len(auth) == 1:
		return sig, sig.fromHeader(auth[0], r.Header)
	case query.Has("Signature"):
		return nil, errMechanism
	}
	return nil, errAnonymous
}

func (sig *signature) fromHeader(auth string, h http.Header) *Error {
	name, rest, _ := strings.Cut(auth, " ")
	if name != algorithm {
		return errMechanism
	}
	var credential, headers string
	for part := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		var field *string
		switch k {
		case "Credential":
			field = &credential
		case "SignedHeaders":
			field = &headers
		case "Signature":
			field = &sig.value
		}
		if !ok || field == nil || *field != "" || v == "" {
			return sig.malformed("unexpected %q", part)
		}
		*field = v
	}
	sig.timestamp = h.Get("X-Amz-Date")
	sig.hasToken = h.Get("X-Amz-Security-Token") != ""
	return sig.parse(credential, headers)
}

func (sig *signature) fromQuery() *Error {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if len(sig.query[name]) != 1 {
			return sig.malformed("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each once.")
		}
	}
	if sig.query.Get("X-Amz-Algorithm") != algorithm {
		return sig.malformed("X-Amz-Algorithm only supports %q", algorithm)
	}
	seconds, err := strconv.ParseInt(sig.query.Get("X-Amz-Expires"), 10, 64)
	switch {
	case err != nil:
		return sig.malformed("X-Amz-Expires should be a number")
	case seconds < 0:
		return sig.malformed("X-Amz-Expires must be non-negative")
	case seconds > int64(maxExpiry/time.Second):
		return sig.malformed("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	sig.expires = time.Duration(seconds) * time.Second
	sig.timestamp = sig.query.Get("X-Amz-Date")
	sig.value = sig.query.Get("X-Amz-Signature")
	sig.hasToken = sig.query.Get("X-Amz-Security-Token") != ""
	return sig.parse(sig.query.Get("X-Amz-Credential"), sig.query.Get("X-Amz-SignedHeaders"))
}

// parse parses the fields that header and query share.
func (sig *signature) parse(credential, headers string) *Error {
	if credential == "" || headers == "" || sig.value == "" {
		return sig.malformed("Credential, SignedHeaders and Signature are required")
	}
	// Counted from the end: an access key may contain slashes.
	parts := strings.Split(credential, "/")
	n := len(parts)
	if n < 5 || parts[n-1] != terminator {
		return sig.malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"")
	}
	sig.accessKey = strings.Join(parts[:n-4], "/")
	sig.date, sig.region, sig.service = parts[n-4], parts[n-3], parts[n-2]

	t, err := time.Parse(timeFormat, sig.timestamp)
	if err != nil {
		return denied("AWS authentication requires a valid x-amz-date")
	}
	sig.time = t
	if t.Format(dateFormat) != sig.date {
		return sig.malformed("the date %q of the credential is not the date of x-amz-date", sig.date)
	}
	sig.headers = strings.Split(headers, ";")
	for _, h := range sig.headers {
		if h == "" || h != strings.ToLower(h) {
			return sig.malformed("SignedHeaders must be lower case names separated by semicolons")
		}
	}
	if !slices.IsSorted(sig.headers) {
		return sig.malformed("SignedHeaders must be sorted")
	}
	return nil
}

// checkSigned refuses a request with an x-amz-* header that is not signed. Such
// a header changes the operation: without this check, the holder of a presigned
// upload URL could add x-amz-copy-source and copy any object.
func checkSigned(r *http.Request, sig *signature) *Error {
	if !slices.Contains(sig.headers, "host") {
		return denied("The host header must be signed")
	}
	for name := range r.Header {
		const prefix = "x-amz-"
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if lower := strings.ToLower(name); !slices.Contains(sig.headers, lower) {
			return denied("There were headers present in the request which were not signed: " + lower)
		}
	}
	return nil
}
