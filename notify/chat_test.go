package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func newTestChat(t *testing.T, url string) *Chat {
	t.Helper()
	c, err := NewChat(ChatOptions{URL: url, HTTPOptions: testHTTP})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChatText(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ subject, body, want string }{
		"both":         {"Order done", "Number 1.\n", "*Order done*\nNumber 1."},
		"body only":    {"", "Number 1.\n", "Number 1.\n"},
		"subject only": {"Order done", "", "*Order done*"},
		"markup":       {"<!channel> & *all*", "<@U1> <https://x.example|y>", "*&lt;!channel&gt; &amp; all*\n&lt;@U1&gt; &lt;https://x.example|y&gt;"},
	} {
		if got := chatText(Notification{Subject: row.subject, Body: row.body}); got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
	long := chatText(Notification{Body: strings.Repeat("ä", MaxChatRunes+1)})
	if n := utf8.RuneCountInString(long); n != MaxChatRunes || !strings.HasSuffix(long, "ä…") {
		t.Errorf("got %d characters ending in %q, want it cut at %d with a mark", n, long[len(long)-5:], MaxChatRunes)
	}
	exact := strings.Repeat("ä", MaxChatRunes)
	if got := chatText(Notification{Body: exact}); got != exact {
		t.Error("a text of the longest length was cut")
	}
}

func TestChatSend(t *testing.T) {
	t.Parallel()
	bodies := make(chan []byte, 1)
	statuses := make(chan int, 1)
	c := newTestChat(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(<-statuses)
	}))
	statuses <- http.StatusOK
	if err := c.Send(t.Context(), sampleNotification()); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(<-bodies, &got); err != nil || len(got) != 1 || got["text"] != "*Welcome*\nHello Ann." {
		t.Errorf("got %q and %v", got, err)
	}
	statuses <- http.StatusTooManyRequests
	if err, ok := errors.AsType[*RetryAfterError](c.Send(t.Context(), sampleNotification())); !ok || err.After != 30*time.Second {
		t.Errorf("got %v, want to wait 30 s", err)
	}
	<-bodies
	statuses <- http.StatusForbidden
	if err, ok := errors.AsType[*RejectedError](c.Send(t.Context(), sampleNotification())); !ok || strings.Contains(err.Error(), "KEY") {
		t.Errorf("got %v, want a rejection without the path", err)
	}
}

func TestNewChatFindsProblems(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://h.example/T0KEYKEYKEY"} {
		if _, err := NewChat(ChatOptions{URL: url}); err == nil || strings.Contains(err.Error(), "KEY") {
			t.Errorf("%q: got %v, want an error without the path", url, err)
		}
	}
	if _, err := NewChat(ChatOptions{URL: "https://h.example", HTTPOptions: HTTPOptions{Timeout: -1}}); err == nil {
		t.Error("a timeout below zero was taken")
	}
}
