package s3server

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// action is what a request asks for.
type action int

const (
	_ action = iota
	listBuckets
	createBucket
	headBucket
	deleteBucket
	bucketLocation
	bucketVersioning
	bucketNotification
	listObjects
	listUploads
	deleteMany
	getObject
	headObject
	putObject
	copyObject
	deleteObject
	getTagging
	createUpload
	uploadPart
	uploadPartCopy
	listParts
	abortUpload
	completeUpload
)

// rule is one line of the table of what we understand.
type rule struct {
	method string
	sub    string   // the query key that chooses this rule; "" is the rule without one
	query  []string // other keys that may come along
	action action
}

var (
	overrides = []string{
		"response-content-type", "response-content-language", "response-expires", "response-cache-control",
		"response-content-disposition", "response-content-encoding", "versionId", "partNumber",
	}
	serviceRules = []rule{{"GET", "", []string{"prefix", "max-buckets", "bucket-region", "continuation-token"}, listBuckets}}
	bucketRules  = []rule{
		{"GET", "location", nil, bucketLocation},
		{"GET", "versioning", nil, bucketVersioning},
		{"GET", "notification", nil, bucketNotification},
		{"GET", "uploads", []string{"prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"}, listUploads},
		{"GET", "", []string{
			"list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after", "fetch-owner", "encoding-type",
		}, listObjects},
		{"HEAD", "", nil, headBucket},
		{"PUT", "", nil, createBucket},
		{"DELETE", "", nil, deleteBucket},
		{"POST", "delete", nil, deleteMany},
	}
	objectRules = []rule{
		{"GET", "tagging", []string{"versionId"}, getTagging},
		{"GET", "uploadId", []string{"max-parts", "part-number-marker"}, listParts},
		{"GET", "", overrides, getObject},
		{"HEAD", "", overrides, headObject},
		{"PUT", "uploadId", []string{"partNumber"}, uploadPart},
		{"PUT", "", nil, putObject},
		{"DELETE", "uploadId", nil, abortUpload},
		{"DELETE", "", []string{"versionId"}, deleteObject},
		{"POST", "uploads", nil, createUpload},
		{"POST", "uploadId", nil, completeUpload},
	}
)

// target is a request as the router understands it.
type target struct {
	action      action
	bucket, key string
	query       url.Values
}

// route finds what r asks for. What it does not know it refuses: S3 has dozens of sub-resources, and a layer that overlooks one
// replaces an object by its tags.
func route(r *http.Request) (target, error) {
	t := target{}
	var err error
	if t.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return t, errInvalidURI
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok || !utf8.ValidString(path) {
		return t, errInvalidURI
	}
	if b := hostBucket(r.Host); b != "" {
		path = b + "/" + path
	}
	t.bucket, t.key, _ = strings.Cut(path, "/")
	rules := serviceRules
	switch {
	case t.bucket == "" && t.key != "":
		return t, errInvalidURI
	case t.key != "":
		rules = objectRules
	case t.bucket != "":
		rules = bucketRules
	}
	if len(t.key) > 1024 {
		return t, errKeyTooLong
	}
	found, err := match(rules, r.Method, t.query)
	if err != nil {
		return t, err
	}
	t.action = found.action
	hoist(r, t.query)
	return t, t.check(r)
}

// hostBucket is the bucket in a host like uploads.localhost:9000, which SDKs use unless they are told to put it into the path.
// Taken for anything else, such a request would make a bucket out of an object's name.
func hostBucket(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	b, _ := strings.CutSuffix(name, ".localhost")
	if b == name {
		return ""
	}
	return b
}

// path is what the target looks like with the bucket in the path.
func (t *target) path() string {
	if t.key == "" {
		return "/" + t.bucket
	}
	return "/" + t.bucket + "/" + t.key
}

// match finds the rule for a method and a query.
func match(rules []rule, method string, query url.Values) (*rule, error) {
	var found *rule
	for i := range rules {
		r := &rules[i]
		if r.method == method && (r.sub == "" || query.Has(r.sub)) {
			found = r
			break
		}
	}
	for key := range query {
		if found != nil && (key == found.sub || slices.Contains(found.query, key)) || ignored(key) {
			continue
		}
		return nil, errNotImplemented.because("%s with ?%s is not implemented.", method, key)
	}
	if found == nil {
		return nil, errMethod
	}
	return found, nil
}

// ignored tells the keys that S3 ignores by its own word, and the signature's.
func ignored(key string) bool {
	return len(key) >= 2 && strings.EqualFold(key[:2], "x-")
}

// hoist gives back the headers that signers of URLs move into the query, where S3 honours them too.
func hoist(r *http.Request, query url.Values) {
	for key, values := range query {
		name := http.CanonicalHeaderKey(key)
		if !strings.HasPrefix(name, "X-Amz-") || r.Header.Get(name) != "" {
			continue
		}
		switch name {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signedheaders", "X-Amz-Signature", "X-Amz-Security-Token":
			continue
		}
		r.Header[name] = values
	}
}

// refusedHeaders ask for something that we would not do. Each would change what is stored, or who may read it.
var refusedHeaders = []string{
	"X-Amz-Write-Offset-Bytes", "X-Amz-Tagging", "X-Amz-Object-Lock-", "X-Amz-Server-Side-Encryption-Customer-",
	"X-Amz-Copy-Source-Server-Side-Encryption-Customer-", "X-Amz-If-Match-", "X-Amz-Rename-Source",
}

// check looks at what the table cannot say.
func (t *target) check(r *http.Request) error {
	for name := range r.Header {
		for _, refused := range refusedHeaders {
			if strings.HasPrefix(name, refused) && name != "X-Amz-Tagging-Directive" {
				return errNotImplemented.because("The header %s is not implemented.", strings.ToLower(name))
			}
		}
	}
	if t.query.Has("uploadId") && t.query.Get("uploadId") == "" {
		return errNoSuchUpload // the layer would take it for the object itself
	}
	if t.query.Has("versionId") && t.query.Get("versionId") != "null" {
		return errNoSuchVersion
	}
	if _, ok := r.Header["X-Amz-Copy-Source"]; ok {
		switch t.action {
		case putObject:
			t.action = copyObject
		case uploadPart:
			t.action = uploadPartCopy
		}
	}
	return nil
}
