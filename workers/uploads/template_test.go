package uploads

import (
	"strings"
	"testing"
)

func TestKeyTemplate(t *testing.T) {
	t.Parallel()
	rows := []struct{ template, size, bucket, key, want string }{
		{"thumbnails/{size}/{key}", "8x8", "b", "a/b.jpg", "thumbnails/8x8/a/b.jpg"},
		{"{bucket}/{key}.{size}", "8x8-fill", "b", "a.jpg", "b/a.jpg.8x8-fill"},
		{"t/{key}/{size}", "8x8", "b", "{size}{key}{bucket}{}", "t/{size}{key}{bucket}{}/8x8"},
		{"ü/{size}{key}", "8x8", "b", "日本.png", "ü/8x8日本.png"},
	}
	for _, r := range rows {
		tm, err := parseTemplate(r.template)
		if err != nil {
			t.Errorf("%q: %v", r.template, err)
			continue
		}
		if got := tm.key(r.size, r.bucket, r.key); got != r.want {
			t.Errorf("%q of %q: got %q, want %q", r.template, r.key, got, r.want)
		}
	}
}

func TestKeyTemplatePrefix(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{"thumbnails/{size}/{key}": "thumbnails/", "{size}/{key}": "", "a/{bucket}/{size}/{key}": "a/"} {
		if tm, err := parseTemplate(template); err != nil || tm.prefix != want {
			t.Errorf("%q: got %q %v, want %q", template, tm.prefix, err, want)
		}
	}
}

func TestKeyTemplateRefused(t *testing.T) {
	t.Parallel()
	rows := []struct{ template, want string }{
		{"", "{size} 0 times"},
		{"{key}", "{size} 0 times"},
		{"{size}", "{key} 0 times"},
		{"{size}{size}{key}", "{size} 2 times"},
		{"{size}{key}{bucket}{bucket}", "{bucket} 2 times"},
		{"{size}/{key}/{name}", "no braces but {size}, {key} and {bucket}"},
		{"{size}/{key}}", "no braces but"},
		{"{{size}/{key}", "no braces but"},
	}
	for _, r := range rows {
		if _, err := parseTemplate(r.template); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%q: got %v, want an error with %q", r.template, err, r.want)
		}
	}
}
