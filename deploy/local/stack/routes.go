package stack

import (
	"net/http"
	"strings"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/s3server"
	"sluice/deploy/local/sigv4"
)

// handler serves S3, SQS and the admin API.
func (s *Stack) handler() http.Handler {
	signed := func(service string, next http.Handler) http.Handler {
		if s.options.Open {
			return next
		}
		return sigv4.Require(sigv4.Credentials{AccessKeyID: s.runtime.AccessKey, SecretAccessKey: s.runtime.SecretKey, Region: region},
			sigv4.Options{Service: service}, next)
	}
	return checkOrigin(s.runtime.URL, services{admin: s.adminAPI(), sqs: signed("sqs", s.queues), s3: signed("s3", s3server.New(s.objects, s3server.Options{Logger: s.log}))})
}

// services tells S3, SQS and the admin API apart. All are on one address, so
// that AWS_ENDPOINT_URL serves every client.
type services struct{ admin, sqs, s3 http.Handler }

func (s services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, admin.Prefix):
		s.admin.ServeHTTP(w, r)
	case isSQS(r):
		s.sqs.ServeHTTP(w, r)
	default:
		s.s3.ServeHTTP(w, r)
	}
}

// isSQS recognises SQS's JSON protocol by its target. It recognises the older
// query protocol, which aws CLI 1 and early 2 use, by a form that is posted to
// no object: curl sends every body as a form by default.
func isSQS(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		return true
	}
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && isQueuePath(r.URL.Path) && !isS3Post(r)
}

// isQueuePath accepts the root and the paths of queue URLs.
func isQueuePath(path string) bool {
	if path == "/" || path == "" {
		return true
	}
	account, queue, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return ok && len(account) == 12 && strings.Trim(account, "0123456789") == "" && queue != "" && !strings.Contains(queue, "/")
}

// isS3Post recognises S3's POST requests by their sub-resource, or by a bucket
// in the host name.
func isS3Post(r *http.Request) bool {
	q := r.URL.Query()
	return q.Has("uploads") || q.Has("uploadId") || q.Has("delete") || strings.HasSuffix(hostName(r.Host), ".localhost")
}
