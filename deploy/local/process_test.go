package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/workers/schema"
)

func TestOneProcessOwnsTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := testHome(t, func(o *homeOptions) { o.Dir, o.Addr, o.within = dir, "127.0.0.1:0", nil })
	// A command finds the owner and talks to it.
	stdout, stderr, err := runCommand(t, "-data", dir, "send", "user-registration", `{"email":"ann@example.com"}`)
	if err != nil || !strings.Contains(stderr, "using the home at "+h.address.URL) || !strings.Contains(stdout, "pending -> active") {
		t.Errorf("command beside the home: got %v\n%s\n%s", err, stdout, stderr)
	}
	// A presigned URL takes an upload without keys, for its own key only.
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
	// A second one does not open.
	if _, _, err := runCommand(t, "-data", dir); err == nil || !strings.Contains(err.Error(), "is open already") || !strings.Contains(err.Error(), h.address.URL) {
		t.Errorf("second home: got %v, want an error that names the first", err)
	}
}

// TestStaleAddressIsNoticed: a port that a home had is another program's now.
// Nothing is taken for the home that does not prove it, and the token, with which
// it could be the home, is shown to nobody.
func TestStaleAddressIsNoticed(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-the-home"
	stranger := func(answer http.HandlerFunc) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen, err := httputil.DumpRequest(r, true)
			if err != nil || bytes.Contains(seen, []byte(token)) {
				t.Errorf("a stranger was shown the token: %v\n%s", err, seen)
			}
			answer(w, r)
		}))
		t.Cleanup(s.Close) // after the parallel subtests
		return `{"url":"` + s.URL + `","accessKey":"a","secretKey":"s","token":"` + token + `","pid":1}`
	}
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	// A home of somebody else's: it proves itself to those who know its token.
	other := testHome(t, func(o *homeOptions) { o.Addr, o.within = "127.0.0.1:0", nil })
	for name, content := range map[string]string{
		"nobody listens":    `{"url":"http://127.0.0.1:1","token":"t","pid":1}`,
		"a web server":      stranger(says("<!doctype html><title>Welcome</title>")),
		"a service":         stranger(says("{}")),
		"it knows no page":  stranger(http.NotFound),
		"it gives all back": stranger(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.FormValue("nonce")) }),
		"it leads to another": stranger(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.address.URL+r.RequestURI, http.StatusFound)
		}),
		"it is another home": `{"url":"` + other.address.URL + `","token":"` + token + `","pid":1}`,
		"no token":           `{"url":"` + other.address.URL + `","pid":1}`,
		"half written":       `{"url":"http`,
		"of no use at all":   `{"url":":"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, addressFile), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, err := runCommand(t, "-data", dir, "send", "user-registration", `{"email":"ann@example.com"}`)
			if err != nil || strings.Contains(stderr, "using the home") || !strings.Contains(stdout, "pending -> active") {
				t.Errorf("got %v\n%s\n%s\nwant a home of its own", err, stdout, stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, addressFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("address file after the end: got %v, want it gone", err)
			}
		})
	}
	// What a redirect leads to is not asked, even if it could prove itself.
	a := other.address
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.address.URL+r.RequestURI, http.StatusFound)
	}))
	defer s.Close()
	if a.URL = s.URL; a.proven() {
		t.Error("a redirect to the home was taken for the home")
	}
	if !other.address.proven() {
		t.Error("the home did not prove itself")
	}
}

func TestAddressFileIsTheOwnersOnly(t *testing.T) {
	t.Parallel()
	h := testHome(t, nil)
	for _, name := range []string{addressFile, keysFile} {
		info, err := os.Stat(filepath.Join(h.options.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600: it holds keys", name, info.Mode().Perm())
		}
	}
}

// What a killed process was writing is removed at the next start, and nothing
// else.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "thumbnails"), 0o700); err != nil {
		t.Fatal(err)
	}
	left := []string{addressFile + ".tmp123", keysFile + ".tmp456", "thumbnails/.thumbnail789"}
	mine := []string{"address.txt", "keys.json.old", "thumbnails/photo.jpg", "thumbnails/.hidden"}
	for _, name := range append(left, mine...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testHome(t, func(o *homeOptions) { o.Dir = dir })
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want it gone", name, err)
		}
	}
	for _, name := range mine {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatCannotOpenSaysWhy(t *testing.T) {
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
	if err := os.WriteFile(filepath.Join(noKeys, keysFile), []byte(`{"accessKey":"a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"the port is taken", []string{"-data", t.TempDir(), "-addr", taken.Addr().String()}, []string{taken.Addr().String(), "-addr"}},
		{"the folder is a file", []string{"-data", filepath.Join(file, "sluice")}, []string{file}},
		{"the file is corrupt", []string{"-data", corrupt}, []string{"sluice.db"}},
		{"uploads of a store that was put aside", []string{"-data", orphans}, []string{filepath.Join(orphans, "objects"), "sluice.db", "put the file"}},
		{"keys without a secret", []string{"-data", noKeys}, []string{keysFile, "secretKey is missing"}},
		{"an address of other machines'", []string{"-addr", "0.0.0.0:0"}, []string{"-public"}},
		{"a name that may be another machine's", []string{"-addr", "example.com:80"}, []string{"-public"}},
		{"open to everybody", []string{"-addr", "0.0.0.0:0", "-public", "-open"}, []string{"let anybody in"}},
		{"no such picture", []string{"-data", t.TempDir(), "no-such.jpg"}, []string{"no-such.jpg"}},
		{"a URL of nobody's", []string{"-data", t.TempDir(), "presign", "a.jpg"}, []string{"no home serves"}},
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
					t.Errorf("error: got %v, want it to tell of %q", err, want)
				}
			}
		})
	}
}

func TestWorkerSettingsAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	o := homeOptions{Dir: t.TempDir(), Environ: map[string]string{"THUMBNAIL_SIZES": "huge", "MAX_ATTEMPTS": "many"}, Logger: nil}
	o.Logger, o.within = testHome(t, nil).log, direct
	_, err := openHome(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "THUMBNAIL_SIZES") || !strings.Contains(err.Error(), "MAX_ATTEMPTS") {
		t.Errorf("got %v, want every setting that is wrong", err)
	}
}

func TestCloseDrainsAndSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begun, deaf := make(chan struct{}, 1), make(chan struct{})
		h, err := openHome(t.Context(), homeOptions{
			Dir: dir, Environ: map[string]string{}, DrainLimit: 5 * time.Second, Logger: testHome(t, nil).log, within: direct,
			OrderStep: func(context.Context, schema.Order) error {
				begun <- struct{}{}
				<-deaf
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		sendAll(t, h, message(t, "m", schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: "1"}))
		<-begun
		start := time.Now()
		err = h.Close()
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("closed after %v, want the drain limit of 5s", took)
		}
		left, ok := errors.AsType[*eventsource.LeftError](err)
		if !ok || len(left.IDs) != 1 {
			t.Errorf("error: got %v, want a *LeftError with the message in hand", err)
		}
		close(deaf)
		synctest.Wait()
	})
}

// TestRestartKeepsWhatWasPutOff restarts while a provider's Retry-After runs.
func TestRestartKeepsWhatWasPutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), []time.Duration(nil)
		open := func() *home {
			h, err := openHome(t.Context(), homeOptions{
				Dir: dir, Environ: map[string]string{}, DrainLimit: 5 * time.Second, Logger: slog.New(slog.DiscardHandler), within: direct,
				OrderStep: func(context.Context, schema.Order) error {
					if calls = append(calls, time.Since(began)); len(calls) == 1 {
						return pipeline.RetryAfter(errors.New("the warehouse is busy"), time.Hour)
					}
					return nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		h := open()
		sendAll(t, h, message(t, "m", schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: "1"}))
		for range 3 {
			time.Sleep(10 * time.Minute)
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			h = open()
		}
		time.Sleep(2 * time.Hour)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if len(calls) != 2 || calls[1] < time.Hour {
			t.Errorf("the step ran at %v, want the second not before an hour", calls)
		}
	})
}

func TestGuard(t *testing.T) {
	t.Parallel()
	a := address{URL: "http://127.0.0.1:9324"}
	h := guard(a, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, tt := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:9324", "", 200},
		{"localhost:9324", "", 200},
		{"[::1]:9324", "", 200},
		{"uploads.localhost:9324", "", 200},
		{"a.b.localhost:9324", "", 200},
		{"uploads.localhost:80", "", 421},
		{"evillocalhost:9324", "", 421},
		{"uploads.localhost.evil.example:9324", "", 421},
		{"evil.example:9324", "", 421}, // a name server of somebody's may say 127.0.0.1
		{"127.0.0.1:80", "", 421},
		{"127.0.0.1:9324", "http://127.0.0.1:9324", 200},
		{"127.0.0.1:9324", "http://localhost:9324", 200},
		{"127.0.0.1:9324", "https://evil.example", 403},
		{"127.0.0.1:9324", "http://127.0.0.1:3000", 403},
		{"127.0.0.1:9324", "null", 403},
	} {
		r := httptest.NewRequest(http.MethodPut, "/uploads/a.jpg", nil)
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("host %q, origin %q: got %d, want %d", tt.host, tt.origin, w.Code, tt.want)
		}
	}
}

// request sends a request without a signature and returns the answer.
func request(t *testing.T, method, url, target, body string) (code int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestDoorsAreLocked(t *testing.T) {
	t.Parallel()
	locked := testHome(t, func(o *homeOptions) { o.Addr, o.within = "127.0.0.1:0", nil })
	open := testHome(t, func(o *homeOptions) { o.Addr, o.within, o.Open = "127.0.0.1:0", nil, true })
	for _, tt := range []struct {
		method, path, target, body string
		code                       int    // of the locked home
		answer                     string // of the locked home
		open                       int    // code of the home that is open; its own commands want the token there too
	}{
		{http.MethodPut, "/uploads/a.txt", "", "hello", 403, "<Code>AccessDenied</Code>", 200},
		{http.MethodGet, "/uploads", "", "", 403, "<Code>AccessDenied</Code>", 200},
		{http.MethodGet, "/uploads/a.txt", "", "", 403, "<Code>AccessDenied</Code>", 200},
		{http.MethodDelete, "/uploads/a.txt", "", "", 403, "<Code>AccessDenied</Code>", 204},
		{http.MethodPost, "/", "AmazonSQS.ListQueues", "{}", 403, "MissingAuthenticationToken", 200},
		{http.MethodGet, controlPrefix + "idle", "", "", 401, addressFile, 401},
		{http.MethodGet, controlPrefix + "changes?after=", "", "", 401, addressFile, 401},
		{http.MethodPost, controlPrefix + "status", "", `{"key":"user#a@example.com","status":"active"}`, 401, addressFile, 401},
	} {
		code, answer := request(t, tt.method, locked.address.URL+tt.path, tt.target, tt.body)
		if code != tt.code || !strings.Contains(answer, tt.answer) {
			t.Errorf("%s %s%s without a signature: got %d %s, want %d and %q", tt.method, tt.path, tt.target, code, answer, tt.code, tt.answer)
		}
		if code, answer := request(t, tt.method, open.address.URL+tt.path, tt.target, tt.body); code != tt.open {
			t.Errorf("%s %s%s at an open home: got %d %s, want %d", tt.method, tt.path, tt.target, code, answer, tt.open)
		}
	}
}

// A presigned URL of the home lets nobody in when its time is over.
func TestPresignedURLExpires(t *testing.T) {
	t.Parallel()
	h := testHome(t, func(o *homeOptions) { o.Addr, o.within = "127.0.0.1:0", nil })
	presigned := func(at time.Time) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.address.URL+"/uploads/a.txt?X-Amz-Expires=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		url, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: h.address.AccessKey, SecretAccessKey: h.address.SecretKey},
			req, "UNSIGNED-PAYLOAD", "s3", region, at)
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	if code, answer := request(t, http.MethodPut, presigned(time.Now().Add(-50*time.Second)), "", "hello"); code != 200 {
		t.Errorf("within its time: got %d %s", code, answer)
	}
	if code, answer := request(t, http.MethodPut, presigned(time.Now().Add(-70*time.Second)), "", "hello"); code != 403 || !strings.Contains(answer, "expired") {
		t.Errorf("behind its time: got %d %s, want 403", code, answer)
	}
}

// A thumbnail that cannot be copied is told of, and takes nothing else with it.
func TestTableIsPrintedWithoutACopy(t *testing.T) {
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
		t.Errorf("standard output: got\n%s\nwant the table", stdout)
	}
}
