package s3server

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

// operation serves one operation of the S3 API. If it returns an error, it has set
// headers at most.
type operation func(*Server, http.ResponseWriter, *request) error

// rule is a line of the table of supported requests.
type rule struct {
	method string
	sub    string    // the query parameter that selects this rule; "" for none
	query  []string  // other parameters that the operation understands
	run    operation // the operation
	copy   operation // the operation with x-amz-copy-source; nil if there is none
}

var (
	readParameters = []string{
		"response-content-type", "response-content-language", "response-expires", "response-cache-control",
		"response-content-disposition", "response-content-encoding", "versionId", "partNumber",
	}
	serviceRules = []rule{
		{"GET", "", []string{"prefix", "max-buckets", "bucket-region", "continuation-token"}, listBuckets, nil},
	}
	bucketRules = []rule{
		{"GET", "location", nil, getBucketLocation, nil},
		{"GET", "versioning", nil, getBucketVersioning, nil},
		{"GET", "notification", nil, getBucketNotification, nil},
		{"GET", "uploads", []string{"prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"}, listUploads, nil},
		{"GET", "", []string{
			"list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after", "fetch-owner", "encoding-type",
		}, listObjects, nil},
		{"HEAD", "", nil, headBucket, nil},
		{"PUT", "", nil, createBucket, nil},
		{"DELETE", "", nil, deleteBucket, nil},
		{"POST", "delete", nil, deleteObjects, nil},
	}
	objectRules = []rule{
		{"GET", "tagging", []string{"versionId"}, getObjectTagging, nil},
		{"GET", "uploadId", []string{"max-parts", "part-number-marker"}, listParts, nil},
		{"GET", "", readParameters, getObject, nil},
		{"HEAD", "", readParameters, getObject, nil},
		{"PUT", "uploadId", []string{"partNumber"}, uploadPart, uploadPartCopy},
		{"PUT", "", nil, putObject, copyObject},
		{"DELETE", "uploadId", nil, abortUpload, nil},
		{"DELETE", "", []string{"versionId"}, deleteObject, nil},
		{"POST", "uploads", nil, createUpload, nil},
		{"POST", "uploadId", nil, completeUpload, nil},
	}
)

// target is what a request names.
type target struct {
	bucket, key string
	query       url.Values
}

// route finds the operation of r and sets r's target. It refuses every request
// that it does not know: S3 has dozens of sub-resources, and a server that ignores
// one replaces an object by its tags.
func route(r *request) (operation, error) {
	rules, err := r.parseTarget()
	if err != nil {
		return nil, err
	}
	found, err := match(rules, r.Method, r.query)
	if err != nil {
		return nil, err
	}
	r.hoist()
	if err := r.checkSupported(); err != nil {
		return nil, err
	}
	if _, ok := r.Header["X-Amz-Copy-Source"]; ok && found.copy != nil {
		return found.copy, nil
	}
	return found.run, nil
}

// parseTarget sets bucket, key and query, and returns the rules for what they name.
func (r *request) parseTarget() ([]rule, error) {
	var err error
	if r.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, s3error.InvalidURI
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok || !utf8.ValidString(path) {
		return nil, s3error.InvalidURI
	}
	if b := hostBucket(r.Host); b != "" {
		path = b + "/" + path
	}
	r.bucket, r.key, _ = strings.Cut(path, "/")
	switch {
	case r.bucket == "" && r.key != "":
		return nil, s3error.InvalidURI
	case len(r.key) > objectstore.MaxKeyBytes:
		return nil, s3error.KeyTooLong
	case r.key != "":
		return objectRules, nil
	case r.bucket != "":
		return bucketRules, nil
	}
	return serviceRules, nil
}

// hostBucket returns the bucket of a host such as uploads.localhost:9000, "" for
// others. SDKs use such hosts unless they are configured for path-style requests.
func hostBucket(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	b, ok := strings.CutSuffix(name, ".localhost")
	if !ok {
		return ""
	}
	return b
}

// match finds the rule for a method and a query.
func match(rules []rule, method string, query url.Values) (*rule, error) {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.method == method && (r.sub == "" || query.Has(r.sub)) })
	for key := range query {
		if i >= 0 && (key == rules[i].sub || slices.Contains(rules[i].query, key)) || ignored(key) {
			continue
		}
		return nil, s3error.NotImplemented.WithMessage("%s with ?%s is not implemented.", method, key)
	}
	if i < 0 {
		return nil, s3error.MethodNotAllowed
	}
	return &rules[i], nil
}

// ignored reports whether S3 ignores a query parameter: those that begin with x-,
// by its documentation. The parameters of a signature are among them.
func ignored(key string) bool {
	return len(key) >= 2 && strings.EqualFold(key[:2], "x-")
}

// hoist restores the headers that signers of URLs move into the query, where S3
// reads them too.
func (r *request) hoist() {
	cloned := false
	for key, values := range r.query {
		name := http.CanonicalHeaderKey(key)
		if !strings.HasPrefix(name, "X-Amz-") || r.Header.Get(name) != "" {
			continue
		}
		switch name {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signedheaders", "X-Amz-Signature", "X-Amz-Security-Token":
			continue
		}
		if !cloned { // the request belongs to the caller
			r.Request, cloned = r.Clone(r.Context()), true
		}
		r.Header[name] = values
	}
}

// unsupportedHeaders would change what is stored, or the access to it.
var unsupportedHeaders = []string{
	"X-Amz-Write-Offset-Bytes", "X-Amz-Tagging", "X-Amz-Object-Lock-", "X-Amz-Server-Side-Encryption-Customer-",
	"X-Amz-Copy-Source-Server-Side-Encryption-Customer-", "X-Amz-If-Match-", "X-Amz-Rename-Source",
}

// checkSupported refuses headers and parameters whose values the table of rules
// cannot check.
func (r *request) checkSupported() error {
	for name := range r.Header {
		if !strings.HasPrefix(name, "X-Amz-") || name == "X-Amz-Tagging-Directive" {
			continue
		}
		if slices.ContainsFunc(unsupportedHeaders, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			return s3error.NotImplemented.WithMessage("The header %s is not implemented.", strings.ToLower(name))
		}
	}
	if r.query.Has("uploadId") && r.query.Get("uploadId") == "" {
		return s3error.NoSuchUpload
	}
	if r.query.Has("versionId") && r.query.Get("versionId") != "null" {
		return s3error.NoSuchVersion
	}
	return nil
}
