package stack

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// checkOrigin refuses requests that a page in a browser could send: for another
// host name (DNS rebinding), or from another origin.
func checkOrigin(baseURL string, next http.Handler) http.Handler {
	self, err := url.Parse(baseURL)
	if err != nil {
		panic(err) // the URL comes from a listener's address
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

// allowedHost accepts the stack's port on IP addresses, on localhost and on
// names below it, where S3 clients put a bucket. No name server can redirect
// these (RFC 6761).
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
