package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
)

// TestOneProcessOwnsTheFolder: a command uses the stack of the process that owns
// the folder, and a second stack does not open.
func TestOneProcessOwnsTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := stacktest.Open(t, func(o *stack.Options) {
		o.Dir = dir
		stacktest.Listen(o)
	})
	stdout, stderr, err := runCommand(t, "-data", dir, "send", "user-registration", `{"email":"ann@example.com"}`)
	if err != nil || !strings.Contains(stderr, "using the local stack at "+h.Runtime().URL) || !strings.Contains(stdout, "pending -> active") {
		t.Errorf("command beside the stack: got %v\n%s\n%s", err, stdout, stderr)
	}
	// A presigned URL accepts an upload without credentials, for its key only.
	stdout, _, err = runCommand(t, "-data", dir, "presign", "photo.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{
		strings.TrimSpace(stdout): http.StatusOK,
		strings.Replace(strings.TrimSpace(stdout), "photo.jpg", "other.jpg", 1): http.StatusForbidden,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader("not a picture"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("PUT %s: got %d, want %d", url, res.StatusCode, want)
		}
	}
	if _, _, err := runCommand(t, "-data", dir); err == nil || !strings.Contains(err.Error(), "is in use") || !strings.Contains(err.Error(), h.Runtime().URL) {
		t.Errorf("second stack: got %v, want an error that names the first", err)
	}
}

// TestStaleRuntimeFileIsIgnored: another program listens on the port of a killed
// stack. A server that does not prove itself is not used, and does not receive the
// token.
func TestStaleRuntimeFileIsIgnored(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-the-stack"
	other := func(respond http.HandlerFunc) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen, err := httputil.DumpRequest(r, true)
			if err != nil || bytes.Contains(seen, []byte(token)) {
				t.Errorf("another program received the token: %v\n%s", err, seen)
			}
			respond(w, r)
		}))
		t.Cleanup(s.Close) // after the parallel subtests
		return `{"url":"` + s.URL + `","accessKey":"a","secretKey":"s","token":"` + token + `","pid":1}`
	}
	writes := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	// The stack of another folder proves itself to clients that know its token.
	another := stacktest.Open(t, stacktest.Listen)
	r := another.Runtime()
	for name, content := range map[string]string{
		"nothing listens":     `{"url":"http://127.0.0.1:1","token":"t","pid":1}`,
		"a web server":        other(writes("<!doctype html><title>Welcome</title>")),
		"a service":           other(writes("{}")),
		"not found":           other(http.NotFound),
		"it echoes the nonce": other(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.FormValue("nonce")) }),
		"it redirects": other(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, another.Runtime().URL+r.RequestURI, http.StatusFound)
		}),
		"another stack": `{"url":"` + r.URL + `","token":"` + token + `","pid":1}`,
		"no token":      `{"url":"` + r.URL + `","pid":1}`,
		"cut off":       `{"url":"http`,
		"no URL":        `{"url":":"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, admin.RuntimeFile), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, err := runCommand(t, "-data", dir, "send", "user-registration", `{"email":"ann@example.com"}`)
			if err != nil || strings.Contains(stderr, "using the local stack") || !strings.Contains(stdout, "pending -> active") {
				t.Errorf("got %v\n%s\n%s\nwant a stack of its own", err, stdout, stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, admin.RuntimeFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("runtime info file after the end: got %v, want it gone", err)
			}
		})
	}
	// A redirect is not followed, even to the stack itself.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, another.Runtime().URL+r.RequestURI, http.StatusFound)
	}))
	defer s.Close()
	redirecting := r
	if redirecting.URL = s.URL; redirecting.Proven() {
		t.Error("a redirect to the stack counts as a proof")
	}
	if !r.Proven() {
		t.Error("the stack did not prove itself")
	}
}

// TestStartErrorsNameTheCause: the error of a command that cannot start names
// the thing and the way out.
func TestStartErrorsNameTheCause(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel subtests
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	corrupt := t.TempDir()
	if err := os.WriteFile(filepath.Join(corrupt, "sluice.db"), []byte(strings.Repeat("not a database ", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	orphans := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(orphans, "objects"), 0o700), os.WriteFile(filepath.Join(orphans, "objects", "ABC"), []byte("photo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	noKeys := t.TempDir()
	if err := os.WriteFile(filepath.Join(noKeys, "keys.json"), []byte(`{"accessKey":"a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"the port is taken", []string{"-data", t.TempDir(), "-addr", taken.Addr().String()}, []string{taken.Addr().String(), "-addr"}},
		{"the folder is a file", []string{"-data", filepath.Join(file, "sluice"), "-addr", "127.0.0.1:0"}, []string{file}},
		{"the file is corrupt", []string{"-data", corrupt, "-addr", "127.0.0.1:0"}, []string{"sluice.db"}},
		{"bodies without their store", []string{"-data", orphans, "-addr", "127.0.0.1:0"}, []string{filepath.Join(orphans, "objects"), "sluice.db", "put the file"}},
		{"keys without a secret", []string{"-data", noKeys, "-addr", "127.0.0.1:0"}, []string{"keys.json", "secretKey is missing"}},
		{"an address that other machines reach", []string{"-addr", "0.0.0.0:0"}, []string{"-public"}},
		{"a name that other machines may have", []string{"-addr", "example.com:80"}, []string{"-public"}},
		{"open and public", []string{"-addr", "0.0.0.0:0", "-public", "-open"}, []string{"let anybody in"}},
		{"no such picture", []string{"-data", t.TempDir(), "no-such.jpg"}, []string{"no-such.jpg"}},
		{"presign without a stack", []string{"-data", t.TempDir(), "presign", "a.jpg"}, []string{"no local stack serves"}},
		{"a folder without pictures", []string{"-data", t.TempDir(), t.TempDir()}, []string{"no pictures"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := runCommand(t, tt.args...)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error: got %v, want %q in it", err, want)
				}
			}
		})
	}
}

// TestReportIsPrintedWithoutThumbnailCopies: a thumbnail that cannot be copied is
// an error after the report.
func TestReportIsPrintedWithoutThumbnailCopies(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "200x200"), nil, 0o600); err != nil { // where a folder would be
		t.Fatal(err)
	}
	stdout, _, err := runCommand(t, "-data", t.TempDir(), "-out", out, filepath.Join(goodPictures, "orientation-1-upright.jpg"))
	if err == nil || !strings.Contains(err.Error(), "copy thumbnail thumbnails/200x200/orientation-1-upright.jpg") {
		t.Errorf("error: got %v, want the copy that failed", err)
	}
	if !strings.Contains(stdout, "FILE ") || !strings.Contains(stdout, " ready ") {
		t.Errorf("standard output: got\n%s\nwant the report", stdout)
	}
}
