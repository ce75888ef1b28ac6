package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"sluice/pipeline/tabletest"
	"sluice/workers/setup"
)

// Two keys of tokens, in base64.
const (
	seed1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	seed2 = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
)

// settings are those with which a worker starts, and more.
func settings(more map[string]string) map[string]string {
	m := map[string]string{"RECORDS_TABLE": "records", "STATE_TABLE": "state", "JWT_KEYS": "k1=" + seed1, "BCRYPT_COST": "4"}
	maps.Copy(m, more)
	return m
}

// fixture is a worker over tables in memory.
type fixture struct {
	*Worker
	t              *testing.T
	records, state *tabletest.Memory
	log            *bytes.Buffer
	comparisons    *atomic.Int32
}

func newFixture(t *testing.T, more map[string]string) *fixture {
	t.Helper()
	c, err := setup.Read[Config](settings(more))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, records: new(tabletest.Memory), state: new(tabletest.Memory), log: new(bytes.Buffer), comparisons: new(atomic.Int32)}
	if f.Worker, err = Build(c, Clients{Records: f.records, State: f.state}, slog.New(slog.NewTextHandler(f.log, nil))); err != nil {
		t.Fatal(err)
	}
	f.compare = func(hash, password []byte) error {
		f.comparisons.Add(1)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	return f
}

// response is a response with its body.
type response struct {
	status int
	header http.Header
	body   string
}

func (r response) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
}

// do sends a request whose body is JSON. headers are names and values.
func (f *fixture) do(method, path, body string, headers ...string) response {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	got, err := io.ReadAll(w.Result().Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response{w.Code, w.Result().Header, string(got)}
}

func (f *fixture) want(status int, method, path, body string, headers ...string) response {
	f.t.Helper()
	got := f.do(method, path, body, headers...)
	if got.status != status {
		f.t.Fatalf("%s %s %s: got %d %s, want %d", method, path, body, got.status, got.body, status)
	}
	return got
}

const (
	adaJSON   = `{"email":"ada@example.com","password":"correct horse","name":"Ada"}`
	loginJSON = `{"email":"ada@example.com","password":"correct horse"}`
)

// loggedIn registers ada and returns her token, as headers.
func (f *fixture) loggedIn() []string {
	f.t.Helper()
	f.want(201, "POST", "/auth/register", adaJSON)
	var out struct{ Token string }
	f.want(200, "POST", "/auth/login", loginJSON).decode(f.t, &out)
	return []string{"Authorization", "Bearer " + out.Token}
}

func TestServiceRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var hello struct{ Message, RequestID string }
	got := f.want(200, "GET", "/hello", "")
	got.decode(t, &hello)
	if hello.Message != "Hello from Lambda!" || hello.RequestID == "" || hello.RequestID != got.header.Get("X-Request-Id") {
		t.Errorf("hello: got %+v with the request id %q", hello, got.header.Get("X-Request-Id"))
	}
	if got := f.want(200, "GET", "/status", ""); !strings.Contains(got.body, `"service":"sluice-api"`) {
		t.Errorf("status: got %s", got.body)
	}
	if got := f.want(200, "GET", "/healthz", ""); got.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("healthz: got %s", got.body)
	}
}

func TestDocumentationLoadsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	page := f.want(200, "GET", "/docs", "")
	for _, part := range []string{"<script", "src=", "http://", "https://", "<link", "<style"} {
		if strings.Contains(page.body, part) {
			t.Errorf("the page has %s", part)
		}
	}
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ OperationID string }
	}
	f.want(200, "GET", "/openapi.json", "").decode(t, &document)
	if document.OpenAPI != "3.1.0" || len(document.Paths) != 7 {
		t.Errorf("got version %s and %d paths, want 3.1.0 and 7", document.OpenAPI, len(document.Paths))
	}
	for path := range document.Paths {
		if !strings.Contains(page.body, path) {
			t.Errorf("the page lacks %s", path)
		}
	}
}

func TestRoutesThatAreNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nothing", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/users/../../etc/passwd", 404, ""},
		{"GET", "/users/%2e%2e/me", 404, ""},
		{"DELETE", "/hello", 405, "GET, HEAD"},
		{"GET", "/auth/login", 405, "POST"},
		{"PUT", "/users/me", 405, "DELETE, GET, HEAD, PATCH"},
	} {
		got := f.do(c.method, c.path, "")
		if c.status == 404 && got.status/100 == 3 { // ServeMux cleans a path first
			got = f.do(c.method, got.header.Get("Location"), "")
		}
		if got.status != c.status || got.header.Get("Allow") != c.allow || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: got %d, Allow %q, %s, want %d, %q and a problem", c.method, c.path, got.status, got.header.Get("Allow"), got.header.Get("Content-Type"), c.status, c.allow)
		}
	}
}

func TestEveryResponseHasTheHeadersOfSecurity(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, got := range []response{f.do("GET", "/hello", ""), f.do("GET", "/nothing", ""), f.do("POST", "/auth/login", "{")} {
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%d: got %s %q, want %q", got.status, name, got.header.Get(name), want)
			}
		}
		if id := got.header.Get("X-Request-Id"); id == "" || !strings.Contains(f.log.String(), "request="+id) {
			t.Errorf("%d: request id %q is not in the log", got.status, id)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stage, origins, want string
	}{{"dev", "", "*"}, {"prod", "", ""}, {"prod", "https://a.example,https://b.example", "https://b.example"}, {"dev", "https://a.example", ""}} {
		f := newFixture(t, map[string]string{"STAGE": c.stage, "CORS_ORIGINS": c.origins})
		got := f.want(200, "GET", "/hello", "", "Origin", "https://b.example")
		if got.header.Get("Access-Control-Allow-Origin") != c.want || got.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%+v: got %v", c, got.header)
		}
		got = f.want(204, "OPTIONS", "/users/me", "", "Origin", "https://b.example", "Access-Control-Request-Method", "PATCH")
		if got.header.Get("Access-Control-Allow-Origin") != c.want || strings.Contains(got.header.Get("Access-Control-Allow-Methods"), "PATCH") != (c.want != "") {
			t.Errorf("%+v: preflight: got %v", c, got.header)
		}
	}
}

// TestBodiesThatAreRefused: before any of them reaches a handler.
func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	big := `{"email":"ada@example.com","password":"` + strings.Repeat("x", 64<<10) + `"}`
	for name, c := range map[string]struct {
		body, contentType string
		status            int
	}{
		"over the limit":                {big, "application/json", 413},
		"a depth bomb of 1 MB":          {strings.Repeat("[", 1<<20), "application/json", 413},
		"a depth bomb within the limit": {strings.Repeat("[", 60<<10), "application/json", 400},
		"duplicate names":               {`{"email":"a@example.com","email":"b@example.com","password":"correct horse"}`, "application/json", 400},
		"names that differ in case":     {`{"email":"a@example.com","EMAIL":"b@example.com","password":"correct horse"}`, "application/json", 400},
		"duplicate names within":        {`{"x":[{"a":1,"a":2}]}`, "application/json", 400},
		"data behind the value":         {adaJSON + `{}`, "application/json", 400},
		"no JSON":                       {`email=ada`, "application/json", 400},
		"a form":                        {`email=ada`, "application/x-www-form-urlencoded", 415},
		"no content type":               {adaJSON, "", 415},
		"no body":                       {"", "application/json", 400},
		"an unknown member":             {`{"email":"ada@example.com","password":"correct horse","status":"active"}`, "application/json", 422},
		"another type":                  {`{"email":"ada@example.com","password":12345678}`, "application/json", 422},
		"a list":                        {`[]`, "application/json", 422},
	} {
		got := f.do("POST", "/auth/register", c.body, "Content-Type", c.contentType)
		if got.status != c.status || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %s %.200s, want %d", name, got.status, got.header.Get("Content-Type"), got.body, c.status)
		}
		if strings.Contains(got.body, "correct horse") || strings.Contains(got.body, "12345678") {
			t.Errorf("%s: the response has the password: %s", name, got.body)
		}
	}
	f.want(201, "POST", "/auth/register", adaJSON)
}

// TestUnknownErrorsTellNothing: a table's error and a panic are a 500 with the
// request's id.
func TestUnknownErrorsTellNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(f *fixture, ctx context.CancelFunc){
		"an error": func(f *fixture, cancel context.CancelFunc) { cancel() },
		"a panic":  func(f *fixture, _ context.CancelFunc) { f.Worker.records = nil },
	} {
		f := newFixture(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		fail(f, cancel)
		r := httptest.NewRequestWithContext(ctx, "POST", "/auth/register", strings.NewReader(adaJSON))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		id := w.Header().Get("X-Request-Id")
		if body := w.Body.String(); w.Code != 500 || !strings.Contains(body, "internal error in request "+id) || strings.Contains(body, "cancel") || strings.Contains(body, "nil") {
			t.Errorf("%s: got %d %s, want a 500 that names request %s only", name, w.Code, body, id)
		}
		if !strings.Contains(f.log.String(), "level=ERROR") {
			t.Errorf("%s: log: got %s, want an error", name, f.log)
		}
	}
}

func TestInvokeServesEventsAndWarmUps(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	got, err := f.Invoke(t.Context(), []byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`))
	if err != nil || string(got) != `{"statusCode":200,"body":"Warmed up"}` {
		t.Errorf("warm-up: got %s, %v", got, err)
	}
	got, err = f.Invoke(t.Context(), []byte(`{"version":"2.0","routeKey":"$default","rawPath":"/hello",
		"requestContext":{"http":{"method":"GET","sourceIp":"203.0.113.7"},"requestId":"r-1","stage":"$default"}}`))
	if err != nil || !strings.Contains(string(got), `"statusCode":200`) || !strings.Contains(string(got), `\"requestId\":\"r-1\"`) {
		t.Errorf("got %s, %v, want the hello of request r-1", got, err)
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), settings(map[string]string{
		"JWT_KEYS": "k1=hunter2", "BCRYPT_COST": "3", "AUTH_PER_ADDRESS": "0", "AUTH_PER_CLIENT": "0", "AUTH_WINDOW": "0s",
		"STAGE": "test", "CORS_ORIGINS": "example.com", "MAX_BODY": "1", "STATE_TABLE": "",
	}))
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"JWT_KEYS: want", "BCRYPT_COST: got 3", "AUTH_PER_ADDRESS: got 0", "AUTH_PER_CLIENT: got 0", "AUTH_WINDOW: got 0s", `STAGE: got "test"`,
		`CORS_ORIGINS: got "example.com"`, "MAX_BODY: got 1", "STATE_TABLE: required",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v has the key", err)
	}
	for _, keys := range []string{"", "k1", "k1=", "=" + seed1, "k1=" + seed1 + ",k1=" + seed2, "k1=" + seed1 + ","} {
		if _, err := parseKeys(keys); err == nil {
			t.Errorf("keys %q: got no error", keys)
		}
	}
}
