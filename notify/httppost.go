package notify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultHTTPTimeout = 15 * time.Second // the minimum that receivers should expect
	maxResponseBytes   = 4 << 10          // read of the body of a response
	maxExcerptBytes    = 200              // of it, in errors
	maxResponseHeader  = 16 << 10
)

// HTTPOptions are the common options of the channels over HTTP. The zero value is
// usable.
type HTTPOptions struct {
	// Timeout limits one Send. Zero means 15 seconds.
	Timeout time.Duration
	// AllowPrivate allows connections to addresses that are not public: loopback,
	// private networks, link-local. Do not set it if recipients come from users.
	// It also allows http to loopback.
	AllowPrivate bool
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// poster sends JSON by POST. Its errors contain only the scheme and host of a URL,
// because paths and queries contain keys. It is safe for concurrent use.
type poster struct {
	client       *http.Client
	timeout      time.Duration
	allowPrivate bool
	now          func() time.Time
}

func newPoster(o HTTPOptions) (*poster, error) {
	if o.Timeout < 0 {
		return nil, fmt.Errorf("timeout: got %s, want at least 0", o.Timeout)
	}
	p := &poster{timeout: cmp.Or(o.Timeout, defaultHTTPTimeout), allowPrivate: o.AllowPrivate, now: o.Now}
	if p.now == nil {
		p.now = time.Now
	}
	dialer := publicDialer(p.timeout)
	if o.AllowPrivate {
		dialer.ControlContext = nil
	}
	p.client = &http.Client{
		// No proxy, because the dialer would check only the address of the proxy.
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    p.timeout,
			MaxIdleConns:           20,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxResponseHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

// target parses and checks a URL. Its error does not contain the path.
func (p *poster) target(raw string) (*url.URL, error) {
	if len(raw) > MaxRecipientBytes {
		return nil, fmt.Errorf("URL: got %d bytes, want at most %d", len(raw), MaxRecipientBytes)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("URL cannot be parsed")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("URL has no host")
	case u.User != nil:
		return nil, errors.New("URL has a user name, want none")
	case u.Scheme == "http" && (!p.allowPrivate || !isLoopbackHost(u.Hostname())):
		return nil, errors.New("URL: got http, want https, or http to loopback with private addresses allowed")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("URL: got scheme %q, want https", u.Scheme)
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// isLoopbackHost reports whether host is a loopback address or localhost.
func isLoopbackHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// post sends body to u. It returns nil for a 2xx response.
func (p *poster) post(ctx context.Context, u *url.URL, header http.Header, body []byte) error {
	site := u.Scheme + "://" + u.Host
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return &RejectedError{Reason: fmt.Sprintf("request to %s is invalid", site)}
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sluice-notify/1")
	resp, err := p.client.Do(req)
	if err != nil {
		if inside, ok := errors.AsType[*PrivateAddressError](err); ok {
			return &RejectedError{Reason: "post to " + site, Err: inside}
		}
		return fmt.Errorf("post to %s: %w", site, ProviderError(err, u))
	}
	defer resp.Body.Close()
	// A connection is only reused after its response was read.
	response, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponseBytes))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("post to %s: got status %d%s", site, resp.StatusCode, excerpt(response, u))
	if finalStatus(resp.StatusCode) {
		return &RejectedError{Reason: err.Error()}
	}
	return retryAfter(err, p.retryAfter(resp.Header.Get("Retry-After")))
}

// finalStatus reports whether retrying cannot change the status.
func finalStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return code >= 300 && code < 500
}

// retryAfter parses seconds or a date. Anything else and a past date are zero.
func (p *poster) retryAfter(s string) time.Duration {
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Duration(max(0, min(seconds, int64(MaxRetryAfter/time.Second)))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(p.now()))
	}
	return 0
}

// excerpt returns the beginning of a response body for an error.
func excerpt(body []byte, u *url.URL) string {
	text := ProviderText(string(body), maxExcerptBytes, URLSecrets(u)...)
	if text == "" {
		return ""
	}
	return ": " + strconv.Quote(text)
}
