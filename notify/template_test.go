package notify

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// A template that loops over a long list stops at its limit.
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
	if text, err := f.render(e); err == nil || err.Error() != "rendered to more than 100 bytes" || text != "" {
		t.Errorf("got %q and %v, want an error", text, err)
	}
	w := limitedText{left: 3}
	if _, err := w.Write([]byte("abcd")); !errors.Is(err, errTooLong) || w.text.Len() != 0 {
		t.Errorf("got %v and %q, want nothing kept of what is too long", err, w.text.String())
	}
}

// The limit applies after invalid UTF-8 was replaced, which takes more bytes.
func TestTemplateLimitAfterReplacement(t *testing.T) {
	t.Parallel()
	f, err := newFieldTemplate(Created, "{{.New.a}}", 10)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{Kind: Created, Change: Change{New: map[string]any{"a": strings.Repeat("\xffa", 5)}}}
	if text, err := f.render(e); err == nil {
		t.Errorf("got %d bytes, want an error", len(text))
	}
}

func TestLineIsOneBoundedLine(t *testing.T) {
	t.Parallel()
	f, err := newFieldTemplate(Created, "{{line .New.a}}|{{line (or (index .New `b`) .New.a)}}", MaxBodyBytes)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"Ada": "Ada", " a\r\n\r\nb\tc\x00 ": "a b c", "a\u2028b\u2029c\u0085d": "a b c d", "a\u202egpj.exe": "a gpj.exe", "a\xffb": "a\uFFFDb",
		strings.Repeat("a", 5000): strings.Repeat("a", maxLineBytes-len("…")) + "…",
	} {
		e := Event{Kind: Created, Change: Change{New: map[string]any{"a": in}}}
		if text, err := f.render(e); err != nil || text != want+"|"+want {
			t.Errorf("%.40q: got %.80q and %v, want %.40q twice", in, text, err, want)
		}
	}
	f, err = newFieldTemplate(Created, "{{line (index .New `a`)}}", MaxBodyBytes)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := f.render(Event{Kind: Created, Change: Change{New: map[string]any{}}}); err == nil {
		t.Errorf("a missing attribute: got %q, want an error", text)
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

// FuzzTemplate checks that rendering does not panic, and that the text is valid,
// within the limit and the same each time.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"{{.New.a}}", `{{or (index .Item "b") "there"}}`, `{{with index .Old "a"}}{{.}}{{end}}`, "{{$.At.Format .Key}}", "{{- .From | printf \"%-9q\" -}}",
		"{{if and .Expired (eq .Kind \"created\")}}{{else if .To}}{{len .New.a}}{{end}}", "{{$x := .New}}{{$x.a.b}}", "{{(index .Item \"c\").d}}", "{{slice .New.a 1 2}}",
	} {
		f.Add(text, "value", byte(1))
	}
	f.Fuzz(func(t *testing.T, text, value string, kind byte) {
		if strings.Contains(text, "range") {
			t.Skip("range over a large number takes as long as it says")
		}
		const limit = 1000
		k := kinds[int(kind)%len(kinds)]
		parsed, err := newFieldTemplate(k, text, limit)
		if err != nil {
			return
		}
		image := map[string]any{"a": value, "b": nil, "c": map[string]any{"d": []any{value, true}}}
		e := Event{Kind: k, From: value, To: value, Change: Change{ID: "e", Key: value, At: at, Old: image, New: image}}
		out, err := parsed.render(e)
		if again, _ := parsed.render(e); again != out {
			t.Errorf("got %q and then %q", out, again)
		}
		if len(out) > limit || !utf8.ValidString(out) || err != nil && out != "" {
			t.Errorf("got %q and %v", out, err)
		}
	})
}
