package uploads

import (
	"fmt"
	"strings"
)

// keyTemplate makes the key of a thumbnail.
type keyTemplate struct {
	text   string
	prefix string // what stands before the first placeholder
}

// parseTemplate wants {size} and {key} in the template, and knows {bucket}
// besides.
func parseTemplate(s string) (keyTemplate, error) {
	rest := s
	for _, name := range []string{"{size}", "{key}", "{bucket}"} {
		n := strings.Count(s, name)
		if n > 1 || n == 0 && name != "{bucket}" {
			return keyTemplate{}, fmt.Errorf("%q holds %s %d times, want once", s, name, n)
		}
		rest = strings.ReplaceAll(rest, name, "")
	}
	if strings.ContainsAny(rest, "{}") {
		return keyTemplate{}, fmt.Errorf("%q: only {size}, {key} and {bucket} are known", s)
	}
	return keyTemplate{text: s, prefix: s[:strings.IndexByte(s, '{')]}, nil
}

// key fills the template in one pass, so that a brace in a key stays a brace.
func (t keyTemplate) key(size, bucket, key string) string {
	return strings.NewReplacer("{size}", size, "{bucket}", bucket, "{key}", key).Replace(t.text)
}
