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

// A server notes what it is asked for.
type server struct {
	*httptest.Server
	asked chan string
}

// newServer starts a server. A nil answer has none: whoever asks waits until it
// gives up.
func newServer(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{asked: make(chan string, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked <- r.Method + " " + r.URL.Path
		if answer == nil {
			_, _ = io.Copy(io.Discard, r.Body) // only then a client that goes is noticed
			<-r.Context().Done()
			return
		}
		answer(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// wantFirst waits for what is asked first, before the process ends.
func (s *server) wantFirst(t *testing.T, ended <-chan struct{}, want string) {
	t.Helper()
	select {
	case got := <-s.asked:
		if got != want {
			t.Errorf("asked for %s first, want %s", got, want)
		}
	case <-ended:
		t.Fatal("the process ended without asking")
	}
}

func (s *server) wantNoMore(t *testing.T) {
	t.Helper()
	select {
	case got := <-s.asked:
		t.Errorf("asked for %s as well", got)
	default:
	}
}

// spawn starts a binary that no Runtime API of this project watches, and closes
// ended when it has.
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
	over := make(chan struct{})
	go func() { _ = cmd.Wait(); close(over) }() // the state says it
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-over })
	return cmd, over
}

// An output is what a process writes.
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

// forward shows every request to see and hands it on to target, unless see
// refuses it.
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

// denied is an answer that no SDK tries again, in the words of all services.
func denied(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
	w.WriteHeader(http.StatusBadRequest)
	if r.Header.Get("X-Amz-Target") == "" {
		_, _ = io.WriteString(w, `<Error><Code>InvalidRequest</Code><Message>no</Message></Error>`)
		return
	}
	_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"no"}`)
}
