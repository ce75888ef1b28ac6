package tabletest

import (
	"errors"
	"fmt"

	"sluice/pipeline"
)

func versionCases() []Case {
	return []Case{
		{"version-fresh", "Put mints a new version at each write, also when it writes the same data again.", checkVersionFresh},
		{"version-input", "Put ignores the version of the item it is given.", checkVersionInput},
		{
			"version-after-delete",
			"A version is never repeated for a key, not even after a delete: an owner who lost an item can neither overwrite nor remove what its successor wrote.",
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
			return fmt.Errorf("write %d got the version %q, which is empty or was there before", n+1, it.Version)
		}
		seen[it.Version] = true
		if it, err = t.replace(it, `{"n":1}`); err != nil {
			return err
		}
	}
	return nil
}

func checkVersionInput(t *trial) error {
	const mine = "a-version-of-my-own"
	it, err := t.createItem(pipeline.Item{Key: t.key("a"), Version: mine, Data: []byte(`{"n":1}`)})
	if err != nil {
		return err
	}
	got, err := t.get(it.Key)
	if err != nil {
		return err
	}
	if it.Version == mine || got.Version == mine {
		return fmt.Errorf("put returned version %q and get %q, want one that the table minted", it.Version, got.Version)
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
			return fmt.Errorf("version %q or %q came back after a delete", lost.Version, successor.Version)
		}
		seen[lost.Version], seen[successor.Version] = true, true

		_, put := t.table.Put(t.ctx, pipeline.Item{Key: k, Data: []byte(`{"owner":"first"}`)}, pipeline.AtVersion(lost.Version))
		del := t.table.Delete(t.ctx, k, pipeline.AtVersion(lost.Version))
		if err := errors.Join(
			wantConflict("the lost owner puts", put),
			wantConflict("the lost owner deletes", del),
		); err != nil {
			return err
		}
		if err := t.remove(successor); err != nil {
			return err
		}
	}
	return nil
}
