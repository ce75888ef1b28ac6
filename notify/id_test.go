package notify

import (
	"regexp"
	"strings"
	"testing"
)

func TestNotificationID(t *testing.T) {
	t.Parallel()
	e := Event{Kind: AttributeRemoved, Attribute: "lock", Change: Change{ID: "e1", Key: "k"}}
	base := notificationID("rule", e, "a@b.example")
	if again := notificationID("rule", e, "a@b.example"); again != base {
		t.Errorf("got %q and then %q for the same cause", base, again)
	}
	// A new version with other IDs would send every notification again.
	if want := "rule_5d632ef0dc6a6addceed3068b4881fb9"; base != want {
		t.Errorf("got %q, want %q", base, want)
	}
	if safeName(base) != base {
		t.Errorf("ID %q is not safe as a name", base)
	}
	other := e
	other.ID = "e2"
	attribute := e
	attribute.Attribute = "key"
	kind := e
	kind.Kind = StatusChanged
	for what, id := range map[string]string{
		"change":    notificationID("rule", other, "a@b.example"),
		"attribute": notificationID("rule", attribute, "a@b.example"),
		"kind":      notificationID("rule", kind, "a@b.example"),
		"recipient": notificationID("rule", e, "c@b.example"),
		"rule":      notificationID("other", e, "a@b.example"),
	} {
		if id == base {
			t.Errorf("another %s gives the same ID", what)
		}
	}
	if digest("ab", "c") == digest("a", "bc") {
		t.Error("a character that moves to the next part does not change the digest")
	}
}

func TestSafeName(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`\A[a-z0-9_~-]{1,128}\z`)
	seen := map[string]string{}
	for _, id := range []string{
		"welcome_0a1b", "6f1e9a52-7a1c-4c36-9d0e-0c8f1e2b3a4d", strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("a", 130),
		"A", "a", "ä", "\xff", "a.b", "a/b", "../../etc/passwd", "..", ".", "", "a b", "a~b", "con", "CON", "x\x00", "a\r\nb", "A~" + digest("A"),
	} {
		name := safeName(id)
		if !form.MatchString(name) {
			t.Errorf("%q: got %q, want only safe characters", id, name)
		}
		if other, ok := seen[strings.ToLower(name)]; ok {
			t.Errorf("%q and %q are both %q", id, other, name)
		}
		seen[strings.ToLower(name)] = id
	}
	if got := safeName("welcome_0a1b-2"); got != "welcome_0a1b-2" {
		t.Errorf("a safe ID became %q", got)
	}
}
