package notify

import (
	"net/mail"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{ // empty: refused
		"a@b.example":                         "a@b.example",
		"Ann Onym <ann.o+tag@b.example>":      "ann.o+tag@b.example",
		`"Onym, Ann" <a@b.example>`:           "a@b.example",
		"=?utf-8?q?J=C3=B6rg?= <j@b.example>": "j@b.example",
		"jörg@bücher.example":                 "jörg@bücher.example",
		"o'neil@b.example":                    "o'neil@b.example",
		"":                                    "",
		"a":                                   "",
		"@b.example":                          "",
		"a@":                                  "",
		"a@b.example, c@d.example":            "",
		"a@b.example\r\nBcc: c@d.example":     "",
		"a@b.example\n":                       "",
		"a\x00@b.example":                     "",
		`"a b"@c.example`:                     "",
		`"a@b"@c.example`:                     "",
		`"a\"> <x@y.example"@c.example`:       "",
		`".a"@c.example`:                      "",
		"a@[127.0.0.1]":                       "",
		"=?utf-8?q?a=0D=0ABcc=3A_x?= <j@b.example>": "",
		"\xff@b.example":                           "",
		strings.Repeat("a", 65) + "@b.example":     "",
		"a@" + strings.Repeat("b.", 130) + "c":     "",
		strings.Repeat("a", 64) + "@b.example":     strings.Repeat("a", 64) + "@b.example",
		strings.Repeat("x", 2000) + " <a@b.c.d.e>": "a@b.c.d.e",
		strings.Repeat("x", 2100) + " <a@b.c>":     "",
		"<a@b.example>>":                           "",
		"a@b.example <c@d.example> <e@f.example>":  "",
		`""@b.example`:                             "",
		"undisclosed:;":                            "",
		"group: a@b.example;":                      "a@b.example",
	} {
		a, err := ParseAddress(in)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q: got %q, want an error", in, a)
		case want != "" && err != nil:
			t.Errorf("%q: %v", in, err)
		case want != "" && a.Address != want:
			t.Errorf("%q: got %q, want %q", in, a.Address, want)
		}
	}
}

// A valid address is one line, and parses as one address again from a header.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b.example", `"a b" <c@d.example>`, "=?utf-8?q?=0A?= <a@b.example>", "jörg@b.example", `"a>"@b.example`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.Address, "\r\n\x00<> ,;\"") {
			t.Errorf("%q: got %q", s, a.Address)
		}
		list, err := mail.ParseAddressList(a.String())
		if err != nil || len(list) != 1 || list[0].Address != a.Address {
			t.Errorf("%q: %q reads back as %v and %v", s, a, list, err)
		}
	})
}
