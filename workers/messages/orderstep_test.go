package messages

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/workers/schema"
)

var anOrder = schema.Order{
	Change: schema.Change{Status: schema.StatusProcessing, Cause: "m1", At: morning},
	Email:  "ada@example.com", ID: "7", OrderDetails: schema.OrderDetails{Amount: 350},
}

// endpoint returns the URL of a server that handles each request with h.
func endpoint(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestPostStepPostsTheOrder(t *testing.T) {
	t.Parallel()
	var keys []string
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		var o schema.Order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.Email != anOrder.Email || o.ID != "7" || o.Amount != 350 || o.Status != "processing" {
			t.Errorf("body: got %+v, %v", o, err)
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s of %s", r.Method, r.Header.Get("Content-Type"))
		}
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		w.WriteHeader(http.StatusAccepted)
	})
	another := anOrder
	another.Cause = "m2" // received again
	later := anOrder
	later.At = morning.Add(time.Hour) // delivered again
	for _, o := range []schema.Order{anOrder, later, another} {
		if err := postStep(url)(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if keys[0] == "" || keys[0] != keys[1] || keys[0] == keys[2] {
		t.Errorf("Idempotency-Key: got %q, want one for the first two and another for the third", keys)
	}
}

func TestPostStepMapsStatusToError(t *testing.T) {
	t.Parallel()
	type verdict string
	const (
		done, again, never verdict = "done", "again", "never"
	)
	for _, c := range []struct {
		code  int
		after string // Retry-After
		want  verdict
		wait  time.Duration // 0: it does not say
	}{
		{200, "", done, 0},
		{202, "60", done, 0},
		{204, "", done, 0},
		{301, "", never, 0},
		{307, "60", never, 0},
		{400, "", never, 0},
		{401, "", never, 0},
		{404, "", never, 0},
		{422, "60", never, 0},
		{408, "", again, 0},
		{409, "", again, 0},
		{409, "60", again, time.Minute},
		{425, "", again, 0},
		{429, "", again, stepRetry},
		{429, "90", again, 90 * time.Second},
		{429, "0", again, stepRetry},
		{429, "-5", again, stepRetry},
		{429, "soon", again, stepRetry},
		{429, "86400", again, maxStepWait},
		{429, "99999999999999999999", again, stepRetry},
		{429, "Fri, 02 Jan 1970 00:00:00 GMT", again, stepRetry},
		{500, "", again, 0},
		{500, "60", again, time.Minute},
		{502, "", again, 0},
		{503, "", again, stepRetry},
		{503, "7200", again, maxStepWait},
		{504, "", again, 0},
	} {
		url := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.code)
			io.WriteString(w, " said\xff ")
		})
		err := postStep(url)(t.Context(), anOrder)
		got := again
		switch {
		case err == nil:
			got = done
		case pipeline.IsPermanent(err):
			got = never
		}
		if got != c.want {
			t.Errorf("%d: got %s (%v), want %s", c.code, got, err, c.want)
		}
		var wait time.Duration
		if later, ok := errors.AsType[*pipeline.RetryAfterError](err); ok {
			wait = later.After
		}
		if wait != c.wait {
			t.Errorf("%d with Retry-After %q: got a wait of %v, want %v", c.code, c.after, wait, c.wait)
		}
		if err != nil && c.code != 204 && !strings.Contains(err.Error(), "said\uFFFD") {
			t.Errorf("%d: %q does not tell what was said", c.code, err)
		}
	}
}

func TestPostStepWaitsUntilADate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ in, want time.Duration }{{2 * time.Minute, 2 * time.Minute}, {48 * time.Hour, maxStepWait}, {-time.Minute, 0}} {
			res := &http.Response{StatusCode: 500, Header: http.Header{}}
			res.Header.Set("Retry-After", time.Now().Add(c.in).UTC().Format(http.TimeFormat))
			if got := stepWait(res); got != c.want {
				t.Errorf("a date %v from now: got a wait of %v, want %v", c.in, got, c.want)
			}
		}
	})
}

func TestPostStepFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Errorf("followed to %s", r.URL)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if err := postStep(url)(t.Context(), anOrder); !pipeline.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestPostStepLimitsResponseSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		ok   bool
	}{{200, true}, {400, false}} {
		url := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			for range 1 << 10 {
				io.WriteString(w, strings.Repeat("x", 1<<10))
			}
		})
		err := postStep(url)(t.Context(), anOrder)
		if (err == nil) != c.ok {
			t.Errorf("%d: got %v", c.code, err)
		}
		if err != nil && len(err.Error()) > maxStepResponse+200 {
			t.Errorf("%d: an error of %d bytes", c.code, len(err.Error()))
		}
	}
}

// TestPostStepBelievesTheStatus sends a response that breaks off after its
// status. The status still counts; running the step again would be wrong.
func TestPostStepBelievesTheStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		ok   bool
	}{{200, true}, {400, false}} {
		url := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(c.code)
			io.WriteString(w, "half")
		})
		err := postStep(url)(t.Context(), anOrder)
		if c.ok && err != nil || !c.ok && !pipeline.IsPermanent(err) {
			t.Errorf("%d: got %v", c.code, err)
		}
	}
}

func TestPostStepHonoursItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	url := endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if err := postStep(url)(ctx, anOrder); !errors.Is(err, context.Canceled) || pipeline.IsPermanent(err) {
		t.Errorf("got %v, want context.Canceled, not permanent", err)
	}
}

func TestPostStepErrorOmitsURL(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // the port is closed
	for _, url := range []string{"http://" + l.Addr().String() + "/path?key=s3cr3t", "http://bad host/path?key=s3cr3t"} {
		err := postStep(url)(t.Context(), anOrder)
		if err == nil || pipeline.IsPermanent(err) {
			t.Errorf("got %v, want an error that may pass", err)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "/path")) {
			t.Errorf("the error tells the URL: %v", err)
		}
	}
}

// TestPostStepErrorOmitsSecrets: the reason of a failed order is in its
// record, in the log and in a mail to the customer.
func TestPostStepErrorOmitsSecrets(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 404, 500} {
		base := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			io.WriteString(w, "<h1>Cannot POST "+r.URL.RequestURI()+"</h1>\r\n\x1b[2J\u2028"+r.FormValue("key")+strings.Repeat("x", 3000))
		})
		err := postStep(base+"/hooks/T0KEYKEYKEY?key=S3CRETS3CRET")(t.Context(), anOrder)
		if err == nil {
			t.Fatalf("%d: got no error", code)
		}
		for _, bad := range []string{"T0KEYKEYKEY", "S3CRETS3CRET", "\n", "\x1b", "\u2028"} {
			if strings.Contains(err.Error(), bad) {
				t.Errorf("%d: got %q, which has %q", code, err, bad)
			}
		}
		if len(err.Error()) > 500 {
			t.Errorf("%d: got an error of %d bytes, want at most 500", code, len(err.Error()))
		}
	}
}
