package tabletest

import (
	"slices"
	"testing"

	"sluice/pipeline"
)

func TestMemoryPassesTheSuite(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) pipeline.Table { return new(Memory) })
}

func TestCasesHaveNamesAndRules(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, c := range Cases() {
		if c.Name == "" || c.Rule == "" || seen[c.Name] {
			t.Errorf("case %q: the name is empty or not unique, or the rule %q is empty", c.Name, c.Rule)
		}
		seen[c.Name] = true
	}
}

// For each case there is a faulty backend that fails it and no other case.
func TestEachFaultFailsOnlyItsCase(t *testing.T) {
	t.Parallel()
	covered := make(map[string]bool)
	for _, fault := range faults {
		covered[fault.breaks] = true
		t.Run(fault.breaks+"/"+fault.does, func(t *testing.T) {
			t.Parallel()
			var failed []string
			for _, c := range Cases() {
				if err := c.Check(t.Context(), fault.table()); err != nil {
					failed = append(failed, c.Name)
					t.Log(err)
				}
			}
			if !slices.Equal(failed, []string{fault.breaks}) {
				t.Errorf("a backend that %s failed cases %q, want only %q", fault.does, failed, fault.breaks)
			}
		})
	}
	for _, c := range Cases() {
		if !covered[c.Name] {
			t.Errorf("no faulty backend for %q: %s", c.Name, c.Rule)
		}
	}
}
