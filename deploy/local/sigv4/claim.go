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

// claim is what a request says of its own signature. Nothing in it is believed before the signature matched.
type claim struct {
	presigned bool // it stood in the query

	accessKey, date, region, service string

	stamp     string // the time as signed
	time      time.Time
	expires   time.Duration // of a presigned URL
	headers   []string      // signed ones, lower case, sorted
	signature string
	token     bool // a session token was sent
	query     url.Values
}

func (c *claim) scope() string {
	return c.date + "/" + c.region + "/" + c.service + "/" + terminator
}

// malformed is the error for a claim that cannot be used, in the words for where it stood.
func (c *claim) malformed(format string, args ...any) *Error {
	if c.presigned {
		return &Error{Status: http.StatusBadRequest, Code: "AuthorizationQueryParametersError", Message: fmt.Sprintf(format, args...)}
	}
	return &Error{Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed", Message: "The authorization header is malformed; " + fmt.Sprintf(format, args...)}
}

// readClaim finds the one signature of r.
func readClaim(r *http.Request) (*claim, *Error) {
	var query url.Values
	if r.URL.RawQuery != "" {
		var err error
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, &Error{Status: http.StatusBadRequest, Code: "InvalidURI", Message: "Couldn't parse the specified URI."}
		}
	}
	auth := r.Header.Values("Authorization")
	inQuery := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") || query.Has("X-Amz-Credential")
	c := &claim{presigned: inQuery, query: query}
	switch {
	case len(auth) > 1, len(auth) == 1 && (inQuery || query.Has("Signature")):
		return nil, &Error{
			Status: http.StatusBadRequest, Code: "InvalidArgument",
			Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
		}
	case inQuery:
		return c, c.fromQuery()
	case len(auth) == 1:
		return c, c.fromHeader(auth[0], r.Header)
	case query.Has("Signature"):
		return nil, errMechanism
	}
	return nil, errAnonymous
}

func (c *claim) fromHeader(auth string, h http.Header) *Error {
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
			field = &c.signature
		}
		if !ok || field == nil || *field != "" || v == "" {
			return c.malformed("unexpected %q", part)
		}
		*field = v
	}
	c.stamp = h.Get("X-Amz-Date")
	c.token = h.Get("X-Amz-Security-Token") != ""
	return c.parse(credential, headers)
}

func (c *claim) fromQuery() *Error {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if len(c.query[name]) != 1 {
			return c.malformed("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each once.")
		}
	}
	if c.query.Get("X-Amz-Algorithm") != algorithm {
		return c.malformed("X-Amz-Algorithm only supports %q", algorithm)
	}
	seconds, err := strconv.ParseInt(c.query.Get("X-Amz-Expires"), 10, 64)
	switch {
	case err != nil:
		return c.malformed("X-Amz-Expires should be a number")
	case seconds < 0:
		return c.malformed("X-Amz-Expires must be non-negative")
	case seconds > int64(maxExpiry/time.Second):
		return c.malformed("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	c.expires = time.Duration(seconds) * time.Second
	c.stamp = c.query.Get("X-Amz-Date")
	c.signature = c.query.Get("X-Amz-Signature")
	c.token = c.query.Get("X-Amz-Security-Token") != ""
	return c.parse(c.query.Get("X-Amz-Credential"), c.query.Get("X-Amz-SignedHeaders"))
}

// parse takes the parts that both forms share.
func (c *claim) parse(credential, headers string) *Error {
	if credential == "" || headers == "" || c.signature == "" {
		return c.malformed("Credential, SignedHeaders and Signature are required")
	}
	// From the right: an access key may hold a slash.
	parts := strings.Split(credential, "/")
	n := len(parts)
	if n < 5 || parts[n-1] != terminator {
		return c.malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"")
	}
	c.accessKey = strings.Join(parts[:n-4], "/")
	c.date, c.region, c.service = parts[n-4], parts[n-3], parts[n-2]

	t, err := time.Parse(timeFormat, c.stamp)
	if err != nil {
		return denied("AWS authentication requires a valid x-amz-date")
	}
	c.time = t
	if t.Format(dateFormat) != c.date {
		return c.malformed("the date %q of the credential is not that of x-amz-date", c.date)
	}
	c.headers = strings.Split(headers, ";")
	for _, h := range c.headers {
		if h == "" || h != strings.ToLower(h) {
			return c.malformed("SignedHeaders must be lower case names separated by semicolons")
		}
	}
	if !slices.IsSorted(c.headers) {
		return c.malformed("SignedHeaders must be sorted")
	}
	return nil
}

// checkSigned refuses headers that change what a request means and that the signer did not see. Without this, who holds a
// presigned URL for an upload could turn it into a copy of any object.
func checkSigned(r *http.Request, c *claim) *Error {
	if !slices.Contains(c.headers, "host") {
		return denied("The host header must be signed")
	}
	for name := range r.Header {
		const prefix = "x-amz-"
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if lower := strings.ToLower(name); !slices.Contains(c.headers, lower) {
			return denied("There were headers present in the request which were not signed: " + lower)
		}
	}
	return nil
}
