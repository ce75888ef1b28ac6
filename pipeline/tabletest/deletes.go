package tabletest

import (
	"errors"
	"fmt"

	"sluice/pipeline"
)

func deleteCases() []Case {
	return []Case{
		{"delete", "Delete removes only the item under k.", checkDelete},
		{"delete-always", "Delete under Always removes the item at any version.", checkDeleteAlways},
		{"delete-missing", "Removing a missing item under Always is not an error.", checkDeleteMissing},
		{"delete-at-version", "Delete under AtVersion removes the item only at that version.", checkDeleteAtVersion},
		{"delete-missing-at-version", "Removing a missing item under AtVersion is a conflict without an item.", checkDeleteMissingAtVersion},
		{"delete-absent", "Delete under Absent is a conflict with an item, and does nothing without one.", checkDeleteAbsent},
	}
}

func checkDelete(t *trial) error {
	it, err := t.create(t.key("a"), `{}`)
	if err != nil {
		return err
	}
	if _, err := t.create(t.key("a2"), `{}`); err != nil {
		return err
	}
	if err := t.remove(it); err != nil {
		return err
	}
	if _, err := t.table.Get(t.ctx, it.Key); !errors.Is(err, pipeline.ErrNotFound) {
		return fmt.Errorf("get after delete: got the error %v, want ErrNotFound", err)
	}
	items, err := t.query(t.pk, "a")
	if err != nil {
		return err
	}
	if len(items) != 1 || items[0].Key.SK != "a2" {
		return fmt.Errorf("query after delete yielded %q, want only %q", sortKeys(items), "a2")
	}
	return nil
}

func checkDeleteAlways(t *trial) error {
	first, err := t.create(t.key("a"), `{"n":1}`)
	if err != nil {
		return err
	}
	if _, err := t.replace(first, `{"n":2}`); err != nil {
		return err
	}
	if err := t.table.Delete(t.ctx, first.Key, pipeline.Always()); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if it, err := t.table.Get(t.ctx, first.Key); err == nil {
		return fmt.Errorf("got the item %v after delete, want none", it)
	}
	return nil
}

func checkDeleteMissing(t *trial) error {
	if err := t.table.Delete(t.ctx, t.key("never"), pipeline.Always()); err != nil {
		return fmt.Errorf("delete a missing item: %w", err)
	}
	it, err := t.create(t.key("a"), `{}`)
	if err != nil {
		return err
	}
	if err := t.remove(it); err != nil {
		return err
	}
	if err := t.table.Delete(t.ctx, it.Key, pipeline.Always()); err != nil {
		return fmt.Errorf("delete a deleted item: %w", err)
	}
	return nil
}

func checkDeleteAtVersion(t *trial) error {
	other, err := t.create(t.key("other"), `{"n":1}`)
	if err != nil {
		return err
	}
	first, err := t.create(t.key("a"), `{"n":1}`)
	if err != nil {
		return err
	}
	second, err := t.replace(first, `{"n":2}`)
	if err != nil {
		return err
	}
	del := func(version string) error { return t.table.Delete(t.ctx, first.Key, pipeline.AtVersion(version)) }
	if err := errors.Join(
		wantConflict("delete at another item's version", del(other.Version)),
		wantConflict("delete at the version before", del(first.Version)),
	); err != nil {
		return err
	}
	if err := del(second.Version); err != nil {
		return fmt.Errorf("delete at the current version: %w", err)
	}
	return nil
}

func checkDeleteMissingAtVersion(t *trial) error {
	err := t.table.Delete(t.ctx, t.key("a"), pipeline.AtVersion(unknownVersion))
	if conflict, ok := errors.AsType[*pipeline.ConflictError](err); ok && conflict.Exists {
		return fmt.Errorf("got a conflict with the item %v, want one without", conflict.Current)
	}
	return wantConflict("delete", err)
}

func checkDeleteAbsent(t *trial) error {
	if err := t.table.Delete(t.ctx, t.key("a"), pipeline.Absent()); err != nil {
		return fmt.Errorf("delete without an item: %w", err)
	}
	if _, err := t.create(t.key("a"), `{}`); err != nil {
		return err
	}
	return wantConflict("delete where there is an item", t.table.Delete(t.ctx, t.key("a"), pipeline.Absent()))
}
