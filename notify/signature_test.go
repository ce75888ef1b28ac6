package notify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The secret and the signature of the published example of Standard Webhooks.
const (
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var exampleTime = time.Unix(1614265330, 0)

func mustSecret(t *testing.T, s string) Secret {
	t.Helper()
	secret, err := ParseSecret(s)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func otherSecret(t *testing.T) Secret {
	t.Helper()
	return mustSecret(t, secretPrefix+base64.StdEncoding.EncodeToString([]byte("another secret of 32 bytes......")))
}

func TestSignMatchesThePublishedExample(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	sign(h, exampleID, exampleTime, []byte(exampleBody), []Secret{mustSecret(t, exampleSecret)})
	for name, want := range map[string]string{"webhook-id": exampleID, "webhook-timestamp": "1614265330", "webhook-signature": exampleSignature} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	old, next := mustSecret(t, exampleSecret), otherSecret(t)
	header := func(id, timestamp, signature string) http.Header {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", timestamp)
		h.Set("webhook-signature", signature)
		return h
	}
	good := header(exampleID, "1614265330", exampleSignature)
	for name, row := range map[string]struct {
		header    http.Header
		body      string
		now       time.Time
		tolerance time.Duration
		secrets   []Secret
		ok        bool
	}{
		"good":                          {good, exampleBody, exampleTime, 0, []Secret{old}, true},
		"the second secret matches":     {good, exampleBody, exampleTime, 0, []Secret{next, old}, true},
		"at the edge, late":             {good, exampleBody, exampleTime.Add(5 * time.Minute), 0, []Secret{old}, true},
		"past the edge, late":           {good, exampleBody, exampleTime.Add(5*time.Minute + 1), 0, []Secret{old}, false},
		"at the edge, early":            {good, exampleBody, exampleTime.Add(-5 * time.Minute), 0, []Secret{old}, true},
		"past the edge, early":          {good, exampleBody, exampleTime.Add(-5*time.Minute - 1), 0, []Secret{old}, false},
		"own tolerance":                 {good, exampleBody, exampleTime.Add(2 * time.Second), time.Second, []Secret{old}, false},
		"another body":                  {good, exampleBody + " ", exampleTime, 0, []Secret{old}, false},
		"another id":                    {header("x", "1614265330", exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"another time":                  {header(exampleID, "1614265331", exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"another secret":                {good, exampleBody, exampleTime, 0, []Secret{next}, false},
		"secrets are missing":           {good, exampleBody, exampleTime, 0, nil, false},
		"zero secret":                   {good, exampleBody, exampleTime, 0, []Secret{{}}, false},
		"several signatures":            {header(exampleID, "1614265330", "v1,AAAA v2,xxxx "+exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, true},
		"another version only":          {header(exampleID, "1614265330", "v2"+exampleSignature[2:]), exampleBody, exampleTime, 0, []Secret{old}, false},
		"empty signature of a version":  {header(exampleID, "1614265330", "v1,"), exampleBody, exampleTime, 0, []Secret{old}, false},
		"no signature":                  {header(exampleID, "1614265330", ""), exampleBody, exampleTime, 0, []Secret{old}, false},
		"no id":                         {header("", "1614265330", exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"time is no number":             {header(exampleID, "now", exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"time over all bounds":          {header(exampleID, "9223372036854775807", exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"time under all bounds":         {header(exampleID, "-9223372036854775808", exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"header over the limit":         {header(exampleID, "1614265330", strings.Repeat("v1,AAAA ", 1000)+exampleSignature), exampleBody, exampleTime, 0, []Secret{old}, false},
		"no headers":                    {http.Header{}, exampleBody, exampleTime, 0, []Secret{old}, false},
		"signature in the id's place":   {header(exampleSignature, "1614265330", exampleID), exampleBody, exampleTime, 0, []Secret{old}, false},
		"signature with something more": {header(exampleID, "1614265330", exampleSignature+"AAAA"), exampleBody, exampleTime, 0, []Secret{old}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Verify(row.header, []byte(row.body), row.now, row.tolerance, row.secrets...)
			if row.ok && err != nil || !row.ok && !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, want ok=%v", err, row.ok)
			}
		})
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for in, ok := range map[string]bool{
		exampleSecret: true, of(24): true, of(64): true, of(23): false, of(65): false,
		"": false, "whsec_": false, exampleSecret[6:]: false, "whsec_not base64, but long enough to be one": false,
	} {
		_, err := ParseSecret(in)
		if (err == nil) != ok {
			t.Errorf("%q: got %v, want ok=%v", in, err, ok)
		}
		if err != nil && len(in) > 6 && strings.Contains(err.Error(), strings.TrimPrefix(in, secretPrefix)) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestParseSecrets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{exampleSecret: 1, " " + exampleSecret + "\n" + exampleSecret + " ": 2, "": 0, " ": 0, exampleSecret + " MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": 0} {
		got, err := ParseSecrets(in)
		if len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d secrets and %v, want %d", in, len(got), err, want)
		}
		if err != nil && strings.Contains(err.Error(), "MfKQ") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestSecretPrintsAPlaceholder(t *testing.T) {
	t.Parallel()
	key, _ := base64.StdEncoding.DecodeString(exampleSecret[6:])
	secret := mustSecret(t, exampleSecret)
	hook := newTestWebhook(t, "https://h.example/path-that-is-secret", nil)
	mailer, err := NewSMTP(SMTPOptions{Addr: "mail.example:587", From: "a@b.example", Username: "u", Password: "MfKQ9r8GKYqr"})
	if err != nil {
		t.Fatal(err)
	}
	chat := newTestChat(t, "https://h.example/path-that-is-secret")
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{secret, []Secret{secret}, struct{ s Secret }{secret}, &secret, hook, *hook, mailer, *mailer, chat} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	text, err := json.Marshal(map[string]any{"s": secret})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret, "secrets", []Secret{secret})
	for _, leak := range []string{"MfKQ9r8GKYqr", fmt.Sprintf("%x", key), strings.Trim(fmt.Sprint(key), "[]"), fmt.Sprintf("%x", "MfKQ9r8GKYqr"), strings.Trim(fmt.Sprint([]byte("MfKQ9r8GKYqr")), "[]")} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("a secret was printed as %q", leak)
		}
	}
	for _, s := range []string{fmt.Sprint(hook), fmt.Sprint(chat)} {
		if strings.Contains(s, "path") {
			t.Errorf("got %q, want the host only", s)
		}
	}
}
