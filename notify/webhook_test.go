package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// newTestWebhook returns a webhook that may connect to loopback. Its default secret
// is that of the published example.
func newTestWebhook(t *testing.T, url string, secrets []Secret) *Webhook {
	t.Helper()
	if secrets == nil {
		secrets = []Secret{mustSecret(t, exampleSecret)}
	}
	w, err := NewWebhook(WebhookOptions{URL: url, Secrets: secrets, HTTPOptions: testHTTP})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhookIsSignedJSON(t *testing.T) {
	t.Parallel()
	old, next := mustSecret(t, exampleSecret), otherSecret(t)
	var mu sync.Mutex
	var seen []*http.Request
	var bodies [][]byte
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen, bodies = append(seen, r), append(bodies, body)
	})
	hook := newTestWebhook(t, "", []Secret{old, next})
	n := sampleNotification()
	n.To = target
	n.Body = "<b> & \u2028"
	if err := hook.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 {
		t.Fatalf("%d requests, want 1", len(seen))
	}
	r, body := seen[0], bodies[0]
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "token=S3CRETS3CRET" {
		t.Errorf("got %s %s of %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	if got := r.Header.Get("webhook-id"); got != n.ID || r.Header.Get("Idempotency-Key") != n.ID {
		t.Errorf("got webhook-id %q and Idempotency-Key %q, want %q", got, r.Header.Get("Idempotency-Key"), n.ID)
	}
	for _, secret := range []Secret{old, next} {
		if err := Verify(r.Header, body, at.Add(time.Minute), 0, secret); err != nil {
			t.Errorf("a receiver with one of the secrets: %v", err)
		}
	}
	var got WebhookBody
	if err := json.Unmarshal(body, &got); err != nil || got.Type != WebhookType || !got.Timestamp.Equal(at) || got.Data != n {
		t.Errorf("got %s and %v, want the notification", body, err)
	}
}

// For any ID, the header is valid and the same each time.
func TestWebhookIDIsAlwaysValid(t *testing.T) {
	t.Parallel()
	ids := make(chan string, 2)
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) { ids <- r.Header.Get("webhook-id") })
	hook := newTestWebhook(t, target, nil)
	for _, id := range []string{"urn:uuid:6F1E.x/ä b", strings.Repeat("é", 100)} {
		n := toNobody()
		n.ID = id
		for range 2 {
			if err := hook.Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		one, two := <-ids, <-ids
		if one != two || one != safeName(id) || strings.Contains(one, ".") {
			t.Errorf("%q: got webhook-id %q and %q", id, one, two)
		}
	}
}

func TestWebhookRecipient(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ own, to, want string }{
		"none at all":    {"", "", "URL is missing"},
		"plain http":     {"", "http://h.example/T0KEYKEYKEY", "got http, want https"},
		"URL is missing": {"https://h.example", "ann@b.example", "no host"},
		"not to be read": {"https://h.example", "https://h.example/%zz-T0KEYKEYKEY", "cannot be parsed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := sampleNotification()
			n.To = row.to
			err := newTestWebhook(t, row.own, nil).Send(t.Context(), n)
			if _, ok := errors.AsType[*RejectedError](err); !ok || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want a rejection with %q", err, row.want)
			}
			if strings.Contains(err.Error(), "KEY") {
				t.Errorf("the error tells the path: %v", err)
			}
		})
	}
}

func TestNewWebhookFindsProblems(t *testing.T) {
	t.Parallel()
	_, err := NewWebhook(WebhookOptions{URL: "http://h.example/T0KEYKEYKEY"})
	for _, want := range []string{"got http, want https", "secrets are missing"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "KEY") {
			t.Errorf("got %v, want %q in it and no path", err, want)
		}
	}
	if _, err := NewWebhook(WebhookOptions{Secrets: make([]Secret, 1)}); err == nil {
		t.Error("an empty secret was taken")
	}
	if _, err := NewWebhook(WebhookOptions{HTTPOptions: HTTPOptions{Timeout: -1}}); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %v for a timeout below zero", err)
	}
}
