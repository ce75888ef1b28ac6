package notify

import "testing"

func TestKeyPattern(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		pattern, key string
		want         bool
	}{
		{"", "anything/at all", true},
		{"user#*", "user#a@b.example", true},
		{"user#*", "user#a@b.example/order#1", false},
		{"user#*/order#*", "user#a@b.example/order#1", true},
		{"user#*/order#*", "user#a@b.example", false},
		{"image#uploads/**", "image#uploads/a/b/c.jpg", true},
		{"image#uploads/**", "image#other/a.jpg", false},
		{"image#uploads/**.jpg", "image#uploads/a/b.jpg", true},
		{"image#uploads/**.jpg", "image#uploads/a/b.png", false},
		{"image#uploads/*", "image#uploads/", true},
		{"**", "a/b\nc", true},
		{"****", "a/b", true},
		{"a***b", "a/x/b", true},
		{"user#a", "user#a", true},
		{"user#a", "user#ab", false},
		{"user#a", "xuser#a", false},
		{"a.c", "abc", false},
		{"[ab]?(c)", "[ab]?(c)", true},
		{"User#*", "user#a", false},
		{"image#*", "image#ü ä.jpg", true},
	} {
		p, err := newKeyPattern(row.pattern)
		if err != nil {
			t.Errorf("%q: %v", row.pattern, err)
			continue
		}
		if got := p.match(row.key); got != row.want {
			t.Errorf("%q on %q: got %v, want %v", row.pattern, row.key, got, row.want)
		}
	}
}
