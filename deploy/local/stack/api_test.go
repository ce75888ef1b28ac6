package stack_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
	"sluice/notify"
	"sluice/workers/schema"
)

// post sends JSON to the api and returns the response's status and body.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
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

// TestAPIUserIsWelcomed walks from the registration to the welcome mail and the
// login, and on to the next start of the stack, whose keys accept the token.
func TestAPIUserIsWelcomed(t *testing.T) {
	t.Parallel()
	o := stacktest.Options(t.TempDir())
	stacktest.Listen(&o)
	o.APIAddr, o.Environ = "127.0.0.1:0", map[string]string{"BCRYPT_COST": "4"}
	s, err := stack.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	const user = `{"email":"Ada@example.com","password":"correct horse","name":"Ada"}`
	if status, body := post(t, s.APIURL()+"/auth/register", user); status != http.StatusCreated {
		t.Fatalf("register: got %d %s", status, body)
	}
	if err := stacktest.Settle(t.Context(), s.Client(), time.Minute); err != nil {
		t.Fatal(err)
	}
	sent, err := notify.ReadOutbox(filepath.Join(o.Dir, "outbox"))
	if err != nil || len(sent) != 1 || sent[0].To != "ada@example.com" || !strings.Contains(sent[0].Body, "Hello Ada") {
		t.Errorf("outbox: got %+v, %v, want one welcome", sent, err)
	}
	status, body := post(t, s.APIURL()+"/auth/login", `{"email":"ada@example.com","password":"correct horse"}`)
	var login struct{ Token string }
	if err := json.Unmarshal([]byte(body), &login); status != http.StatusOK || err != nil {
		t.Fatalf("login: got %d %s", status, body)
	}
	// Neither the change stream nor the mail has the hash.
	changes, err := s.Client().Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{changes, sent})
	if err != nil || len(changes.Changes) == 0 || strings.Contains(string(text), "$2a$") {
		t.Errorf("changes and mails: got %s, %v, want no hash", text, err)
	}
	record, err := s.Client().Record(t.Context(), schema.KeyText(schema.UserKey("ada@example.com")))
	if err != nil || !strings.Contains(string(record), `"status":"active"`) {
		t.Errorf("record: got %s, %v, want an active user", record, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(o.Dir, "jwt-keys.json")); err != nil || info.Mode() != 0o600 {
		t.Errorf("keys of tokens: got %v, %v, want the mode 0600", info, err)
	}
	if s, err = stack.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.APIURL()+"/users/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+login.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("after a restart: got %d, want 200", res.StatusCode)
	}
	// The files of the stack have no password, and the store no token.
	err = filepath.WalkDir(o.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "correct horse") || strings.Contains(string(b), login.Token) {
			t.Errorf("%s has the password or the token", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAPIIsNotServedWithoutAnAddress(t *testing.T) {
	t.Parallel()
	if url := stacktest.Open(t, nil).APIURL(); url != "" {
		t.Errorf("got %s, want none", url)
	}
}
