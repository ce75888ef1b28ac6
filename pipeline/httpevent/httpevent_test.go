package httpevent_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/pipeline/httpevent"
)

var update = flag.Bool("update", false, "rewrite testdata/*.want")

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// describe writes all that a handler sees of a request.
func describe(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\npath %q, query %q\nfrom %s\n", r.Method, r.URL, r.URL.Path, r.URL.Query(), r.RemoteAddr)
	i, _ := httpevent.FromContext(r.Context())
	fmt.Fprintf(&b, "%+v\n", i)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %q\n", name, r.Header[name])
	}
	var cookies []string
	for _, c := range r.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(&b, "cookies %q, host %q, target %q\nbody of %d: %q %v\n", cookies, r.Host, r.RequestURI, r.ContentLength, body, err)
	return b.String()
}

// TestRequests compares the request of each recorded event with what a handler
// should see.
func TestRequests(t *testing.T) {
	t.Parallel()
	events, err := filepath.Glob("testdata/*.json")
	if err != nil || len(events) < 12 {
		t.Fatalf("events: got %v, %v", events, err)
	}
	for _, file := range events {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, err := httpevent.Decode(t.Context(), read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			got := describe(r)
			wantFile := filepath.Join("testdata", name+".want")
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestResponses: each kind has its own form for cookies, repeated headers and
// binary bodies.
func TestResponses(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Add("Vary", "Origin")
		w.Header().Add("Vary", "Accept")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
	for event, want := range map[string]string{
		"rest-api-post":     `{"statusCode":201,"multiValueHeaders":{"Content-Type":["application/json"],"Set-Cookie":["a=1","b=2"],"Vary":["Origin","Accept"]},"body":"{\"ok\":true}","isBase64Encoded":false}`,
		"http-api-format-1": `{"statusCode":201,"multiValueHeaders":{"Content-Type":["application/json"],"Set-Cookie":["a=1","b=2"],"Vary":["Origin","Accept"]},"body":"{\"ok\":true}","isBase64Encoded":false}`,
		"http-api-get":      `{"statusCode":201,"headers":{"Content-Type":"application/json","Vary":"Origin, Accept"},"cookies":["a=1","b=2"],"body":"{\"ok\":true}","isBase64Encoded":false}`,
		"function-url":      `{"statusCode":201,"headers":{"Content-Type":"application/json","Vary":"Origin, Accept"},"cookies":["a=1","b=2"],"body":"{\"ok\":true}","isBase64Encoded":false}`,
		"alb-headers":       `{"statusCode":201,"statusDescription":"201 Created","headers":{"Content-Type":"application/json","Set-Cookie":"b=2","Vary":"Origin, Accept"},"body":"{\"ok\":true}","isBase64Encoded":false}`,
		"alb-multi-value":   `{"statusCode":201,"statusDescription":"201 Created","multiValueHeaders":{"Content-Type":["application/json"],"Set-Cookie":["a=1","b=2"],"Vary":["Origin","Accept"]},"body":"{\"ok\":true}","isBase64Encoded":false}`,
	} {
		got, err := httpevent.NewHandler(http.HandlerFunc(handler)).Invoke(t.Context(), read(t, event))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v\nwant %s", event, got, err, want)
		}
	}
}

// TestBodiesAreTextOrBase64: a body is text only if its type says so, it is not
// compressed, and it is UTF-8.
func TestBodiesAreTextOrBase64(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, contentType, encoding, body string
		text                              bool
	}{
		{"JSON", "application/json; charset=utf-8", "", `{"a":"ä"}`, true},
		{"problem", "application/problem+json", "", `{}`, true},
		{"HTML", "text/html", "", "<p>", true},
		{"sniffed text", "", "", "hello", true},
		{"sniffed picture", "", "", "\x89PNG\r\n\x1a\n", false},
		{"picture", "image/png", "", "plain", false},
		{"compressed", "application/json", "gzip", "plain", false},
		{"text that is no UTF-8", "text/plain", "", "\xff", false},
		{"nothing", "", "", "", true},
	} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tt.contentType != "" {
				w.Header().Set("Content-Type", tt.contentType)
			}
			if tt.encoding != "" {
				w.Header().Set("Content-Encoding", tt.encoding)
			}
			_, _ = io.WriteString(w, tt.body)
		})
		b, err := httpevent.NewHandler(handler).Invoke(t.Context(), read(t, "http-api-get"))
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			StatusCode      int
			Body            string
			IsBase64Encoded bool
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		body := out.Body
		if out.IsBase64Encoded {
			raw, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(raw)
		}
		if out.StatusCode != 200 || out.IsBase64Encoded == tt.text || body != tt.body {
			t.Errorf("%s: got %+v, want text: %v", tt.name, out, tt.text)
		}
	}
}

// TestHandlerRules: the rules of net/http's ResponseWriter hold.
func TestHandlerRules(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event  string
		handle http.HandlerFunc
		want   string
	}{
		"nothing written":          {"http-api-get", func(http.ResponseWriter, *http.Request) {}, `{"statusCode":200,"body":"","isBase64Encoded":false}`},
		"the first status counts":  {"http-api-get", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, `{"statusCode":404,"body":"","isBase64Encoded":false}`},
		"informational is ignored": {"http-api-get", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, `{"statusCode":204,"body":"","isBase64Encoded":false}`},
		"late headers are ignored": {"http-api-get", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("X-Late", "1") }, `{"statusCode":200,"body":"","isBase64Encoded":false}`},
		"no body after 204": {"http-api-get", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			_, _ = io.WriteString(w, "x")
		}, `{"statusCode":204,"body":"","isBase64Encoded":false}`},
	} {
		got, err := httpevent.NewHandler(tt.handle).Invoke(t.Context(), read(t, tt.event))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, tt.want)
		}
	}
}

// TestContextIsTheInvocations: its values and its end reach the handler.
func TestContextIsTheInvocations(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	cancel()
	var got any
	var err error
	_, _ = httpevent.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, err = r.Context().Value(key{}), r.Context().Err()
	})).Invoke(ctx, read(t, "http-api-get"))
	if got != "value" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestPanicIsAnError: a panic fails its invocation and not the process.
func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	_, err := httpevent.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })).Invoke(t.Context(), read(t, "http-api-get"))
	if p, ok := errors.AsType[*httpevent.PanicError](err); !ok || p.Value != "boom" || len(p.Stack) == 0 {
		t.Errorf("got %v", err)
	}
}

// TestBrokenEventsNameTheField: what is no HTTP event is refused.
func TestBrokenEventsNameTheField(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ event, want string }{
		"no JSON":           {`{`, "got no JSON object"},
		"an array":          {`[]`, "got no JSON object"},
		"a queue's event":   {`{"Records":[{"eventSource":"aws:sqs"}]}`, "requestContext"},
		"a wrong type":      {`{"requestContext":{},"body":1}`, "body"},
		"unknown version":   {`{"version":"3.0","requestContext":{}}`, `"3.0"`},
		"no HTTP":           {`{"version":"2.0","requestContext":{}}`, "requestContext.http"},
		"no path":           {`{"version":"2.0","rawPath":"","requestContext":{"http":{"method":"GET"}}}`, "rawPath"},
		"a relative path":   {`{"resource":"/","path":"a","httpMethod":"GET","requestContext":{}}`, "path"},
		"no method":         {`{"version":"2.0","rawPath":"/","requestContext":{"http":{}}}`, "httpMethod"},
		"a broken method":   {`{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"G T"}}}`, "httpMethod"},
		"a body not base64": {`{"version":"2.0","rawPath":"/","body":"?","isBase64Encoded":true,"requestContext":{"http":{"method":"GET"}}}`, "body"},
		"a line in a path":  {`{"version":"2.0","rawPath":"/","rawQueryString":"a\nb","requestContext":{"http":{"method":"GET"}}}`, "rawPath"},
	} {
		_, _, err := httpevent.Decode(t.Context(), []byte(tt.event))
		if _, ok := errors.AsType[*httpevent.EventError](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an *EventError with %q", name, err, tt.want)
		}
	}
}

// TestLargeResponsesAreRefused: Lambda would refuse them without a reason.
func TestLargeResponsesAreRefused(t *testing.T) {
	t.Parallel()
	_, err := httpevent.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, httpevent.MaxResponseBytes))
	})).Invoke(t.Context(), read(t, "http-api-get"))
	if err == nil || !strings.Contains(err.Error(), "HTTP response: got") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	events, err := filepath.Glob("testdata/*.json")
	if err != nil || len(events) == 0 {
		f.Fatal(events, err)
	}
	for _, file := range events {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	handler := httpevent.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL == nil || !strings.HasPrefix(r.URL.Path, "/") || r.Header.Get("Host") != "" {
			panic(fmt.Sprintf("%+v", r))
		}
		_, _ = io.Copy(w, r.Body)
	}))
	f.Fuzz(func(t *testing.T, event []byte) {
		_, err := handler.Invoke(t.Context(), event)
		if _, bad := errors.AsType[*httpevent.PanicError](err); bad {
			t.Fatal(err)
		}
	})
}
