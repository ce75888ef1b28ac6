package tabletest

import (
	"slices"
	"testing"

	"sluice/pipeline"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) pipeline.Table { return new(Memory) })
}

func TestCasesHaveNamesAndRules(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, c := range Cases() {
		if c.Name == "" || c.Rule == "" || seen[c.Name] {
			t.Errorf("case %q: the name is empty or not the only one, or the rule %q is empty", c.Name, c.Rule)
		}
		seen[c.Name] = true
	}
}

// TestEachLieFailsItsCase holds the suite to its own rule: for each case there is
// a backend that breaks it, and that backend fails no other case.
func TestEachLieFailsItsCase(t *testing.T) {
	t.Parallel()
	lied := make(map[string]bool)
	for _, lie := range lies {
		lied[lie.breaks] = true
		t.Run(lie.breaks+"/"+lie.does, func(t *testing.T) {
			t.Parallel()
			var failed []string
			for _, c := range Cases() {
				if err := c.Check(t.Context(), lie.table()); err != nil {
					failed = append(failed, c.Name)
					t.Log(err)
				}
			}
			if !slices.Equal(failed, []string{lie.breaks}) {
				t.Errorf("a backend that %s failed the cases %q, want only %q", lie.does, failed, lie.breaks)
			}
		})
	}
	for _, c := range Cases() {
		if !lied[c.Name] {
			t.Errorf("no backend lies about %q: %s", c.Name, c.Rule)
		}
	}
}
