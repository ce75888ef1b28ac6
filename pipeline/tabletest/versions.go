package tabletest

import (
	"errors"
	"fmt"

	"sluice/pipeline"
)

func versionCases() []Case {
	return []Case{
		{"version-fresh", "Put returns a new version at each write, even of the same data.", checkVersionFresh},
		{"version-input", "Put ignores the version of its argument.", checkVersionInput},
		{
			"version-after-delete",
			"A version is never reused for a key, not even after a delete: a former owner can neither overwrite nor remove its successor's item.",
			checkVersionAfterDelete,
		},
	}
}

func checkVersionFresh(t *trial) error {
	it, err := t.create(t.key("a"), `{"n":1}`)
	if err != nil {
		return err
	}
	seen := map[string]bool{"": true}
	for n := range 20 {
		if seen[it.Version] {
			return fmt.Errorf("write %d: got version %q, want a new one", n+1, it.Version)
		}
		seen[it.Version] = true
		if it, err = t.replace(it, `{"n":1}`); err != nil {
			return err
		}
	}
	return nil
}

func checkVersionInput(t *trial) error {
	const given = "version-of-the-caller"
	it, err := t.createItem(pipeline.Item{Key: t.key("a"), Version: given, Data: []byte(`{"n":1}`)})
	if err != nil {
		return err
	}
	got, err := t.get(it.Key)
	if err != nil {
		return err
	}
	if it.Version == given || got.Version == given {
		return fmt.Errorf("put returned version %q and get %q, want a new one", it.Version, got.Version)
	}
	return nil
}

func checkVersionAfterDelete(t *trial) error {
	k := t.key("a")
	seen := make(map[string]bool)
	for range 3 {
		lost, err := t.create(k, `{"owner":"first"}`)
		if err != nil {
			return err
		}
		if err := t.remove(lost); err != nil {
			return err
		}
		successor, err := t.create(k, `{"owner":"second"}`)
		if err != nil {
			return err
		}
		if lost.Version == successor.Version || seen[lost.Version] || seen[successor.Version] {
			return fmt.Errorf("got version %q or %q again after a delete", lost.Version, successor.Version)
		}
		seen[lost.Version], seen[successor.Version] = true, true

		_, put := t.table.Put(t.ctx, pipeline.Item{Key: k, Data: []byte(`{"owner":"first"}`)}, pipeline.AtVersion(lost.Version))
		del := t.table.Delete(t.ctx, k, pipeline.AtVersion(lost.Version))
		if err := errors.Join(
			wantConflict("put by the former owner", put),
			wantConflict("delete by the former owner", del),
		); err != nil {
			return err
		}
		if err := t.remove(successor); err != nil {
			return err
		}
	}
	return nil
}
