package notify

import (
	"regexp"
	"strings"
)

// maxPatternBytes limits a key pattern.
const maxPatternBytes = 1024

// keyPattern matches record keys. "*" matches any characters except "/", "**" any
// characters, and every other character itself. The whole key must match. The
// empty pattern matches every key. In the pattern of an id, "*" matches any
// characters too, because people choose ids, and these may contain "/". path.Match is not suitable, because object
// keys contain brackets and slashes.
type keyPattern struct{ re *regexp.Regexp }

func newKeyPattern(s string) (keyPattern, error) { return newPattern(s, `[^/]*`) }

func newIDPattern(s string) (keyPattern, error) { return newPattern(s, `.*`) }

// newPattern returns the pattern s, in which a single "*" is the expression star.
func newPattern(s, star string) (keyPattern, error) {
	if s == "" {
		return keyPattern{}, nil
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for s != "" {
		before, after, found := strings.Cut(s, "*")
		b.WriteString(regexp.QuoteMeta(before))
		s = after
		if !found {
			break
		}
		if rest, deep := strings.CutPrefix(after, "*"); deep {
			b.WriteString(`.*`)
			s = strings.TrimLeft(rest, "*")
		} else {
			b.WriteString(star)
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	return keyPattern{re: re}, err
}

func (p keyPattern) match(key string) bool { return p.re == nil || p.re.MatchString(key) }
