package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// server records the requests that it receives.
type server struct {
	*httptest.Server
	requests chan string
}

// newServer starts a server. With a nil handler it never responds.
func newServer(t *testing.T, handle http.HandlerFunc) *server {
	t.Helper()
	s := &server{requests: make(chan string, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests <- r.Method + " " + r.URL.Path
		if handle == nil {
			_, _ = io.Copy(io.Discard, r.Body) // net/http notices a client that disconnects only after it
			<-r.Context().Done()
			return
		}
		handle(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// wantFirst waits for the first request, unless the process ends before it.
func (s *server) wantFirst(t *testing.T, ended <-chan struct{}, want string) {
	t.Helper()
	select {
	case got := <-s.requests:
		if got != want {
			t.Errorf("first request: got %s, want %s", got, want)
		}
	case <-ended:
		t.Fatal("the process ended without a request")
	}
}

func (s *server) wantNoMore(t *testing.T) {
	t.Helper()
	select {
	case got := <-s.requests:
		t.Errorf("another request: got %s, want none", got)
	default:
	}
}

// spawn starts a binary without package runtimeapi, and closes ended when the
// process has ended.
func spawn(t testing.TB, binary string, env []string, out *output) (cmd *exec.Cmd, ended <-chan struct{}) {
	t.Helper()
	cmd = exec.Command(binary)
	cmd.Env = env
	if out != nil {
		cmd.Stdout, cmd.Stderr = out, out
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(waited) }() // cmd.ProcessState has the error
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-waited })
	return cmd, waited
}

// output collects the output of a process.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *output) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *output) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// forward passes each request on to target if see returns true for it, and
// responds with denied if not.
func forward(t *testing.T, target string, see func(r *http.Request, body []byte) bool) http.HandlerFunc {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !see(r, body) {
			denied(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}
}

// denied responds with an error that the SDK does not retry, in the format of the
// service.
func denied(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
	w.WriteHeader(http.StatusBadRequest)
	if r.Header.Get("X-Amz-Target") == "" {
		_, _ = io.WriteString(w, `<Error><Code>InvalidRequest</Code><Message>no</Message></Error>`)
		return
	}
	_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"no"}`)
}
