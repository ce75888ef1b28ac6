package setup_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sluice/workers/setup"
)

func TestSecretPrintsAsStars(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	type config struct {
		Password setup.Secret `env:"PASSWORD"`
		Empty    setup.Secret `env:"EMPTY"`
	}
	c, err := setup.Read[config](map[string]string{"PASSWORD": value})
	if err != nil || string(c.Password) != value {
		t.Fatalf("got %q, %v, want %q", string(c.Password), err, value)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.Password)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("settings", "password", c.Password, "config", c)
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if strings.Contains(out.String(), text) {
			t.Errorf("%s is in %s", text, &out)
		}
	}
	if !strings.Contains(out.String(), "***") || c.Empty.String() != "" {
		t.Errorf("got %s, want ***, and an empty secret as %q", &out, "")
	}
}
