package workers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestREADMEListsEveryVariable wants each variable of a worker's Config in the
// table of README.md, with its workers and its default, and no other.
func TestREADMEListsEveryVariable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*/config.go")
	if err != nil {
		t.Fatal(err)
	}
	type setting struct {
		workers  []string
		required bool
		value    string // the default
	}
	read := map[string]*setting{}
	tag := regexp.MustCompile("`env:\"([A-Z0-9_]+)([^\"]*)\"(?: envDefault:\"([^\"]*)\")?(?: lines:\"true\")?`")
	var workers []string
	for _, file := range files {
		worker := filepath.Dir(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := tag.FindAllStringSubmatch(string(text), -1)
		if len(found) > 0 {
			workers = append(workers, worker)
		}
		for _, m := range found {
			s := read[m[1]]
			if s == nil {
				s = &setting{required: true}
				read[m[1]] = s
			}
			s.workers = append(s.workers, worker)
			s.required = s.required && strings.Contains(m[2], "required")
			s.value = m[3]
		}
	}
	if len(read) < 30 || len(workers) < 3 {
		t.Fatalf("found %d variables of %v, want those of all workers", len(read), workers)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		owners, value := strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		for _, m := range regexp.MustCompile("`([A-Z][A-Z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
			name := m[1]
			listed[name] = true
			s := read[name]
			if s == nil {
				t.Errorf("README.md lists %s, which no worker reads", name)
				continue
			}
			want := strings.Join(s.workers, ", ")
			if len(s.workers) == len(workers) {
				want = "all"
			}
			got := strings.Split(owners, ", ")
			slices.Sort(got)
			if strings.Join(got, ", ") != want {
				t.Errorf("README.md: %s is for %s, want %s", name, owners, want)
			}
			if s.required && !strings.HasPrefix(value, "required") {
				t.Errorf("README.md: %s has the default %s, want required", name, value)
			}
			if !s.required && !strings.Contains(value, s.value) {
				t.Errorf("README.md: %s has the default %s, want %s", name, value, s.value)
			}
		}
	}
	for name := range read {
		if !listed[name] {
			t.Errorf("README.md does not list %s of %v", name, read[name].workers)
		}
	}
}
