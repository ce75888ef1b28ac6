package notify

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// testHTTP allows test servers, and has the clock of the tests.
var testHTTP = HTTPOptions{AllowPrivate: true, Now: func() time.Time { return at }}

// serve starts a server on loopback. The path of the URL contains a key.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/services/T0KEYKEYKEY?token=S3CRETS3CRET"
}

func TestStatusDecidesTheError(t *testing.T) {
	t.Parallel()
	const (
		done = iota
		again
		never
	)
	for name, row := range map[string]struct {
		code       int
		retryAfter string
		want       int
		after      time.Duration
	}{
		"200":                            {200, "", done, 0},
		"201":                            {201, "", done, 0},
		"204":                            {204, "", done, 0},
		"200 with a delay":               {200, "60", done, 0},
		"301":                            {301, "", never, 0},
		"302":                            {302, "", never, 0},
		"304":                            {304, "", never, 0},
		"307":                            {307, "", never, 0},
		"308":                            {308, "", never, 0},
		"400":                            {400, "", never, 0},
		"401":                            {401, "", never, 0},
		"404":                            {404, "60", never, 0},
		"410":                            {410, "", never, 0},
		"413":                            {413, "", never, 0},
		"422":                            {422, "", never, 0},
		"408":                            {408, "", again, 0},
		"409":                            {409, "", again, 0},
		"425":                            {425, "", again, 0},
		"429":                            {429, "", again, 0},
		"429 with seconds":               {429, "30", again, 30 * time.Second},
		"429 with a date":                {429, at.Add(90 * time.Second).Format(http.TimeFormat), again, 90 * time.Second},
		"429 with a date that is past":   {429, at.Add(-time.Hour).Format(http.TimeFormat), again, 0},
		"429 with a year":                {429, "31536000", again, MaxRetryAfter},
		"429 with a date far away":       {429, at.AddDate(9, 0, 0).Format(http.TimeFormat), again, MaxRetryAfter},
		"429 with more than fits":        {429, "9223372036854775807", again, MaxRetryAfter},
		"429 with less than nothing":     {429, "-5", again, 0},
		"429 with nonsense":              {429, "soon", again, 0},
		"500":                            {500, "", again, 0},
		"503 with seconds":               {503, "7", again, 7 * time.Second},
		"504":                            {504, "", again, 0},
		"599":                            {599, "", again, 0},
		"redirect that would be success": {303, "", never, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			target := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				if strings.HasPrefix(r.URL.Path, "/elsewhere") {
					return
				}
				w.Header().Set("Location", "/elsewhere")
				if row.retryAfter != "" {
					w.Header().Set("Retry-After", row.retryAfter)
				}
				w.WriteHeader(row.code)
			})
			err := newTestWebhook(t, target, nil).Send(t.Context(), toNobody())
			rejected, isRejected := errors.AsType[*RejectedError](err)
			delayed, isDelayed := errors.AsType[*RetryAfterError](err)
			switch {
			case row.want == done && err != nil, row.want != done && err == nil:
				t.Errorf("got %v", err)
			case isRejected != (row.want == never):
				t.Errorf("got %v, rejected %v", err, isRejected)
			case isDelayed != (row.after > 0):
				t.Errorf("got %v, want delay %v", err, row.after)
			case isDelayed && delayed.After != row.after:
				t.Errorf("got delay %v, want %v", delayed.After, row.after)
			case isRejected && rejected.Reason == "":
				t.Error("a rejection without reason")
			}
			if calls != 1 {
				t.Errorf("%d requests, want 1", calls)
			}
		})
	}
}

// toNobody is a notification without a recipient.
func toNobody() Notification {
	n := sampleNotification()
	n.To = ""
	return n
}

// Servers may repeat the request. The error contains no part that could be a key,
// and only the beginning of a long response.
func TestErrorsContainTheResponseButNoKey(t *testing.T) {
	t.Parallel()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("Cannot POST " + r.URL.RequestURI() + "\nno such\x00 team " + strings.Repeat("é", 1<<20)))
	})
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	err = newTestWebhook(t, target, nil).Send(t.Context(), toNobody())
	for _, want := range []string{"rejected: post to http://" + u.Host + ": got status 404", "Cannot POST", "no such team"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	for _, key := range []string{"T0KEYKEYKEY", "S3CRETS3CRET"} {
		if strings.Contains(err.Error(), key) {
			t.Errorf("the error tells %q: %v", key, err)
		}
	}
	if len(err.Error()) > 500 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func TestConnectionErrorIsRetried(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String() + "/T0KEYKEYKEY"
	_ = l.Close()
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	for _, target := range []string{closed, cut} {
		err := newTestWebhook(t, target, nil).Send(t.Context(), toNobody())
		if err == nil || strings.Contains(err.Error(), "KEY") {
			t.Errorf("got %v, want an error without the path", err)
		}
		if _, ok := errors.AsType[*RejectedError](err); ok {
			t.Errorf("got %v, want it tried again", err)
		}
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct{ public, private bool }{
		"https://h.example/p?q=1":        {true, true},
		"https://h.example":              {true, true},
		"HTTPS://h.example":              {true, true},
		"https://h.example:8443/":        {true, true},
		"https://10.0.0.1/":              {true, true}, // refused when it is dialled
		"http://h.example/":              {false, false},
		"http://10.0.0.1/":               {false, false},
		"http://127.0.0.1:8080/":         {false, true},
		"http://[::1]/":                  {false, true},
		"http://localhost/":              {false, true},
		"http://localhost.evil.example/": {false, false},
		"http://127.0.0.1.evil.example/": {false, false},
		"https://user:pw@h.example/":     {false, false},
		"https://":                       {false, false},
		"https:h.example":                {false, false},
		"https:///path":                  {false, false},
		"//h.example/":                   {false, false},
		"h.example":                      {false, false},
		"":                               {false, false},
		"ftp://h.example/":               {false, false},
		"file:///etc/passwd":             {false, false},
		"mailto:a@b.example":             {false, false},
		"https://h.example/\r\nX: y":     {false, false},
		"https://h.exam ple/":            {false, false},
		"https://h.example:99999999999/": {true, true}, // a port that cannot be dialled
		"https://h.example/" + strings.Repeat("x", MaxRecipientBytes): {false, false},
	} {
		for _, private := range []bool{false, true} {
			p, err := newPoster(HTTPOptions{AllowPrivate: private})
			if err != nil {
				t.Fatal(err)
			}
			ok := want.public
			if private {
				ok = want.private
			}
			if _, err := p.target(in); (err == nil) != ok {
				t.Errorf("%.60q with private %v: got %v, want ok=%v", in, private, err, ok)
			}
		}
	}
}

// A recipient cannot reach a private address, by name or by number.
func TestDialRejectsPrivateAddresses(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	t.Cleanup(s.Close)
	port := s.Listener.Addr().(*net.TCPAddr).Port
	hook, err := NewWebhook(WebhookOptions{Secrets: []Secret{mustSecret(t, exampleSecret)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"} {
		n := sampleNotification()
		n.To = (&url.URL{Scheme: "https", Host: host + ":" + itoa(port), Path: "/latest"}).String()
		err := hook.Send(t.Context(), n)
		if _, ok := errors.AsType[*RejectedError](err); !ok {
			t.Errorf("%s: got %v, want a rejection", host, err)
		}
		if inside, ok := errors.AsType[*PrivateAddressError](err); !ok || !inside.Addr.IsValid() {
			t.Errorf("%s: got %v, want a PrivateAddressError with the address", host, err)
		}
	}
	select {
	case <-reached:
		t.Error("a request reached the inside")
	default:
	}
}

// The receiver accepts the request and never responds.
func TestSendEndsWithItsContextOrTimeout(t *testing.T) {
	t.Parallel()
	t.Run("context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		target := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body) // only then the server notices that the client went
			cancel()
			<-r.Context().Done()
		})
		err := newTestWebhook(t, target, nil).Send(ctx, toNobody())
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hook := newTestWebhook(t, "http://127.0.0.1/T0KEYKEYKEY", nil)
			client, server := net.Pipe()
			hook.poster.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
				go func() { // takes what comes, says nothing
					buf := make([]byte, 1024)
					for {
						if _, err := server.Read(buf); err != nil {
							return
						}
					}
				}()
				return client, nil
			}
			begin := time.Now()
			err := hook.Send(t.Context(), toNobody())
			if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "KEY") {
				t.Errorf("got %v, want context.DeadlineExceeded without the path", err)
			}
			if got := time.Since(begin); got != defaultHTTPTimeout {
				t.Errorf("gave up after %v, want %v", got, defaultHTTPTimeout)
			}
			_ = server.Close()
		})
	})
}
