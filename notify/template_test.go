package notify

import (
	"errors"
	"strings"
	"testing"
)

// A template that loops over a long list stops at its limit; it does not first
// build what is then refused.
func TestTemplateStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	f, err := newFieldTemplate(Created, "{{range .New.list}}{{.}}{{end}}", 100)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{Kind: Created, Change: Change{New: map[string]any{"list": []any{strings.Repeat("a", 60), strings.Repeat("b", 40)}}}}
	if text, err := f.render(e); err != nil || len(text) != 100 {
		t.Errorf("got %d bytes and %v, want 100", len(text), err)
	}
	e.New["list"] = []any{strings.Repeat("a", 60), strings.Repeat("b", 41)}
	if text, err := f.render(e); err == nil || err.Error() != "renders to over 100 bytes" || text != "" {
		t.Errorf("got %q and %v, want it refused", text, err)
	}
	w := limitedText{left: 3}
	if _, err := w.Write([]byte("abcd")); !errors.Is(err, errTooLong) || w.text.Len() != 0 {
		t.Errorf("got %v and %q, want nothing kept of what is too long", err, w.text.String())
	}
}

// Invalid UTF-8 grows when it is replaced; the limit holds after that.
func TestTemplateLimitAfterReplacement(t *testing.T) {
	t.Parallel()
	f, err := newFieldTemplate(Created, "{{.New.a}}", 10)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{Kind: Created, Change: Change{New: map[string]any{"a": strings.Repeat("\xffa", 5)}}}
	if text, err := f.render(e); err == nil {
		t.Errorf("got %d bytes, want it refused", len(text))
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		in    string
		limit int
		want  string
	}{{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abc…"}, {"ééé", 6, "ééé"}, {"éééx", 6, "é…"}, {"", 6, ""}} {
		if got := cut(row.in, row.limit); got != row.want || len(got) > row.limit {
			t.Errorf("%q at %d: got %q, want %q", row.in, row.limit, got, row.want)
		}
	}
}
