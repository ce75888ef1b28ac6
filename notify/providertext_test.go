package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestProviderTextIsOneLineWithoutSecrets(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("https://ann:pass-word@x.example/hooks/T0%2FKEYKEYKEY/v1?token=S3CRET%20S3CRET&a=b")
	if err != nil {
		t.Fatal(err)
	}
	secrets := URLSecrets(u)
	long := "T0/KEYKEYKEY"
	for _, text := range []string{
		"no POST " + u.String(), "no POST " + u.RequestURI(), "no " + u.Path, "token S3CRET S3CRET", "user pass-word",
		"a\r\nb\x1b[2J\x00\u2028\u202e\xff KEYKEYKEY", strings.Repeat("KEYKEYKEY ", 500) + "KEYKEYK", strings.Repeat("é", 5000),
	} {
		got := ProviderText(text, 200, secrets...)
		for _, secret := range []string{"KEYKEYK", "S3CRET", "pass-word"} {
			if strings.Contains(got, secret) {
				t.Errorf("%.60q: got %q, which has %s", text, got, secret)
			}
		}
		if len(got) > 200 || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u202e' }) {
			t.Errorf("%.60q: got %q, want one line of at most 200 bytes", text, got)
		}
	}
	if got := ProviderText("ends with "+long[:8], 200, long); got != "ends with ***" {
		t.Errorf("a secret that is cut off: got %q", got)
	}
	if got := ProviderText("abc abcdef", 200, "abc", "abcdef", ""); got != "*** ***" {
		t.Errorf("a secret within another: got %q", got)
	}
	if got := ProviderText("out of stock", 200, secrets...); got != "out of stock" {
		t.Errorf("a text without secrets: got %q", got)
	}
}

// A server that does not speak HTTP has its words in the error of package net/http.
func TestErrorsOfMalformedResponsesHaveNoSecrets(t *testing.T) {
	t.Parallel()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 \x1b" + r.URL.RequestURI() + strings.Repeat("x", 3000) + "\r\n\r\n"))
		_ = conn.Close()
	})
	err := newTestWebhook(t, target, nil).Send(t.Context(), toNobody())
	if err == nil || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q, want a short error of one line", err)
	}
	for _, key := range []string{"T0KEYKEYKEY", "S3CRETS3CRET"} {
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("the error has %q: %v", key, err)
		}
	}
}

func TestProviderErrorKeepsItsCause(t *testing.T) {
	t.Parallel()
	err := ProviderError(&url.Error{Op: "Post", URL: "https://x/KEYKEYKEY", Err: context.Canceled}, &url.URL{})
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "KEY") {
		t.Errorf("got %v, want context.Canceled without the URL", err)
	}
	err = ProviderError(&net.OpError{Op: "dial", Err: errors.New("refused")}, &url.URL{})
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("got %T, want a *net.OpError in it", err)
	}
}

func TestMailServerErrorHasNoPassword(t *testing.T) {
	t.Parallel()
	s, err := NewSMTP(SMTPOptions{Addr: "mail.example:587", From: "a@b.example", Username: "ann", Password: "pass-word"})
	if err != nil {
		t.Fatal(err)
	}
	got := s.judge(errors.New("535 no login for ann with pass-word, cGFzcy13b3Jk or AGFubgBwYXNzLXdvcmQ=\r\nnext\x1b[2J " + strings.Repeat("x", 5000))).Error()
	for _, secret := range []string{"pass-word", "cGFzcy13b3Jk", "AGFubgBwYXNzLXdvcmQ", "\n", "\x1b"} {
		if strings.Contains(got, secret) {
			t.Errorf("got %q, which has %q", got, secret)
		}
	}
	if len(got) > 400 {
		t.Errorf("got %d bytes", len(got))
	}
}
