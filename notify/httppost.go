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
	"unicode"
)

const (
	defaultHTTPTimeout = 15 * time.Second // the lower end of what receivers are told to expect
	maxAnswerBytes     = 4 << 10          // read of an answer's body
	maxExcerptBytes    = 200              // of it, told in errors
	maxAnswerHeader    = 16 << 10
)

// HTTPOptions are what the channels over HTTP have in common. The zero value
// works.
type HTTPOptions struct {
	// Timeout is for one Send in all. Zero means 15 seconds.
	Timeout time.Duration
	// AllowPrivate lets connections go to addresses that are not public:
	// loopback, private networks, link-local. Set it for a receiver of one's
	// own, never where recipients come from users. Plain http needs it too, and
	// is for loopback only.
	AllowPrivate bool
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// poster sends JSON by POST and judges the answer. Its errors name scheme and
// host of a URL and nothing else of it: paths and queries hold keys. Safe for
// concurrent use.
type poster struct {
	client       *http.Client
	timeout      time.Duration
	allowPrivate bool
	now          func() time.Time
}

func newPoster(o HTTPOptions) (*poster, error) {
	if o.Timeout < 0 {
		return nil, fmt.Errorf("timeout %s is below zero", o.Timeout)
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
		// No proxy: the dialer would judge the proxy's address only.
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    p.timeout,
			MaxIdleConns:           20,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxAnswerHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

// target parses raw and says what is wrong with it, without telling its path.
func (p *poster) target(raw string) (*url.URL, error) {
	if len(raw) > MaxRecipientBytes {
		return nil, fmt.Errorf("URL has %d bytes, the limit is %d", len(raw), MaxRecipientBytes)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("URL cannot be parsed")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("URL has no host")
	case u.User != nil:
		return nil, errors.New("URL has a user name in it")
	case u.Scheme == "http" && (!p.allowPrivate || !isLoopbackHost(u.Hostname())):
		return nil, errors.New("URL is not https; http is for loopback, where private addresses are allowed")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("URL scheme %q is not https", u.Scheme)
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// isLoopbackHost says whether host can only mean this machine.
func isLoopbackHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// post sends body to u. It returns nil on a 2xx answer.
func (p *poster) post(ctx context.Context, u *url.URL, header http.Header, body []byte) error {
	site := u.Scheme + "://" + u.Host
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return &RejectedError{Reason: fmt.Sprintf("no request to %s can be made", site)}
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sluice-notify/1")
	resp, err := p.client.Do(req)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // url.Error tells the whole URL
		}
		if inside, ok := errors.AsType[*PrivateAddressError](err); ok {
			return &RejectedError{Reason: "post to " + site, Err: inside}
		}
		return fmt.Errorf("post to %s: %w", site, err)
	}
	defer resp.Body.Close()
	// Read also on success: a connection is used again only when its answer was read.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("post to %s: answer %d%s", site, resp.StatusCode, excerpt(answer, u))
	if finalStatus(resp.StatusCode) {
		return &RejectedError{Reason: err.Error()}
	}
	return retryAfter(err, p.retryAfter(resp.Header.Get("Retry-After")))
}

// finalStatus says whether a request would get this answer each time.
func finalStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return code >= 300 && code < 500
}

// retryAfter reads seconds or a date; what is neither, or past, is zero.
func (p *poster) retryAfter(s string) time.Duration {
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Duration(max(0, min(seconds, int64(MaxRetryAfter/time.Second)))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(p.now()))
	}
	return 0
}

// excerpt returns the beginning of an answer for an error's text, on one line.
// Servers like to repeat the path that they did not find: parts of the URL that
// are long enough to be a key are taken out.
func excerpt(answer []byte, u *url.URL) string {
	text := oneLine(strings.ToValidUTF8(string(answer), "\uFFFD"))
	separator := func(r rune) bool { return strings.ContainsRune("/?&=;,:", r) || unicode.IsSpace(r) }
	for _, form := range []string{u.Path, u.EscapedPath(), u.RawQuery, unescaped(u.RawQuery)} {
		for part := range strings.FieldsFuncSeq(form, separator) {
			if len(part) >= 6 {
				text = strings.ReplaceAll(text, part, "***")
			}
		}
	}
	if text == "" {
		return ""
	}
	return ": " + strconv.Quote(cut(text, maxExcerptBytes))
}

func unescaped(query string) string {
	s, err := url.QueryUnescape(query)
	if err != nil {
		return ""
	}
	return s
}
