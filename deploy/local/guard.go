package main

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// controlPrefix stands before the paths of the home's own commands. No bucket
// can have that name.
const controlPrefix = "/-/"

// route tells S3, SQS and the home's own commands apart: all three live on one
// address, so that AWS_ENDPOINT_URL serves every client.
type route struct{ control, sqs, s3 http.Handler }

func (rt route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, controlPrefix):
		rt.control.ServeHTTP(w, r)
	case isSQS(r):
		rt.sqs.ServeHTTP(w, r)
	default:
		rt.s3.ServeHTTP(w, r)
	}
}

// isSQS knows SQS's JSON protocol by its target, and its older query protocol, by
// which aws CLI 1 and early 2 speak, by a form that is posted to no object: curl
// calls everything a form that it is not told about.
func isSQS(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		return true
	}
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && isQueuePath(r.URL.Path) && !isS3Post(r)
}

// isQueuePath takes the root and the paths of queue URLs.
func isQueuePath(path string) bool {
	if path == "/" || path == "" {
		return true
	}
	account, queue, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return ok && len(account) == 12 && strings.Trim(account, "0123456789") == "" && queue != "" && !strings.Contains(queue, "/")
}

// isS3Post knows S3's posts by the sub-resource that each of them has, and by a
// bucket in front of the host's name.
func isS3Post(r *http.Request) bool {
	q := r.URL.Query()
	return q.Has("uploads") || q.Has("uploadId") || q.Has("delete") || strings.HasSuffix(hostName(r.Host), ".localhost")
}

// guard refuses what a page in somebody's browser could send here: a request
// for another host (DNS rebinding), or one from another origin.
func guard(a address, next http.Handler) http.Handler {
	self, err := url.Parse(a.URL)
	if err != nil {
		panic(err) // it was made from a listener's address
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowedHost(r.Host, self) {
			http.Error(w, "this host name is not served here: "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			if o, err := url.Parse(origin); err != nil || !allowedHost(o.Host, self) {
				http.Error(w, "requests from this origin are refused: "+origin, http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// allowedHost takes addresses, which no name server can turn into another's, and
// localhost and the names below it, which no name server is asked for (RFC 6761):
// S3's clients put a bucket there. All at our port.
func allowedHost(host string, self *url.URL) bool {
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		port = "80"
	}
	name := hostName(host)
	return port == self.Port() && (name == "localhost" || strings.HasSuffix(name, ".localhost") || net.ParseIP(name) != nil)
}

// hostName is a host without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
