package stack

import (
	"testing"
)

func TestGCSettings(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		environ map[string]string
		percent int
		limit   int64
		ok      bool
	}{
		{"no settings", nil, 400, 1 << 30, true},
		{"GOGC is set", map[string]string{"GOGC": "50"}, 0, 0, false},
		{"GOMEMLIMIT is set", map[string]string{"GOMEMLIMIT": "2GiB"}, 0, 0, false},
		{"memory size of the function", map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "640"}, 400, 512 << 20, true},
		{"not a number", map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"}, 400, 1 << 30, true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			percent, limit, ok := gcSettings(r.environ)
			if percent != r.percent || limit != r.limit || ok != r.ok {
				t.Errorf("got %d %%, %d bytes, %v, want %d %%, %d bytes, %v", percent, limit, ok, r.percent, r.limit, r.ok)
			}
		})
	}
}
