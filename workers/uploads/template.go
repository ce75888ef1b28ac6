package uploads

import (
	"fmt"
	"strings"
)

// keyTemplate makes the key of a thumbnail.
type keyTemplate struct {
	text   string
	prefix string // the text before the first placeholder
}

// parseTemplate parses a template with {size}, {key} and, optionally, {bucket}.
func parseTemplate(s string) (keyTemplate, error) {
	rest := s
	for _, name := range []string{"{size}", "{key}", "{bucket}"} {
		n := strings.Count(s, name)
		if n > 1 || n == 0 && name != "{bucket}" {
			return keyTemplate{}, fmt.Errorf("got %q with %s %d times, want it once", s, name, n)
		}
		rest = strings.ReplaceAll(rest, name, "")
	}
	if strings.ContainsAny(rest, "{}") {
		return keyTemplate{}, fmt.Errorf("got %q, want no braces but {size}, {key} and {bucket}", s)
	}
	return keyTemplate{text: s, prefix: s[:strings.IndexByte(s, '{')]}, nil
}

// key fills the template in one pass, so that placeholders in an object's key stay
// as they are.
func (t keyTemplate) key(size, bucket, key string) string {
	return strings.NewReplacer("{size}", size, "{bucket}", bucket, "{key}", key).Replace(t.text)
}
