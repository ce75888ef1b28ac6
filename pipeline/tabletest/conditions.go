package tabletest

import (
	"errors"
	"fmt"
	"time"

	"sluice/pipeline"
)

func conditionCases() []Case {
	return []Case{
		{"always", "Always holds with and without an item, and is the zero value.", checkAlways},
		{"absent-holds", "Absent holds if there is no item under the key.", checkAbsentHolds},
		{"absent-conflicts", "Absent does not hold if there is an item under the key.", checkAbsentConflicts},
		{"at-version", "AtVersion(v) holds if the current item's version is v, and for no other version.", checkAtVersion},
		{"at-version-missing", "AtVersion does not hold without an item.", checkAtVersionMissing},
		{"at-version-empty", `AtVersion("") never holds.`, checkAtVersionEmpty},
		{"conflict-current", "A *ConflictError has the key, the condition and the current item.", checkConflictCurrent},
		{"conflict-none", "A *ConflictError reports that there was no item.", checkConflictNone},
		{"conflict-changes-nothing", "If the condition does not hold, nothing has changed.", checkConflictChangesNothing},
	}
}

// unknownVersion is a version that no table returned.
const unknownVersion = "unknown-version"

func (t *trial) put(k pipeline.Key, data string, c pipeline.Condition) error {
	_, err := t.table.Put(t.ctx, pipeline.Item{Key: k, Data: []byte(data)}, c)
	return err
}

func checkAlways(t *trial) error {
	k := t.key("a")
	for n, c := range []pipeline.Condition{pipeline.Always(), {}, pipeline.Always()} {
		data := fmt.Sprintf(`{"n":%d}`, n)
		if err := t.put(k, data, c); err != nil {
			return fmt.Errorf("put %d: %w", n+1, err)
		}
		got, err := t.get(k)
		if err != nil {
			return err
		}
		if err := wantData(fmt.Sprintf("get after put %d", n+1), got.Data, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}

func checkAbsentHolds(t *trial) error {
	if _, err := t.create(t.key("neighbour"), `{}`); err != nil {
		return err
	}
	k := t.key("a")
	if err := t.put(k, `{"n":1}`, pipeline.Absent()); err != nil {
		return fmt.Errorf("put if absent without an item: %w", err)
	}
	it, err := t.get(k)
	if err != nil {
		return err
	}
	if err := t.table.Delete(t.ctx, k, pipeline.AtVersion(it.Version)); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := t.put(k, `{"n":2}`, pipeline.Absent()); err != nil {
		return fmt.Errorf("put if absent after a delete: %w", err)
	}
	return nil
}

func checkAbsentConflicts(t *trial) error {
	k := t.key("a")
	if _, err := t.create(k, `{"n":1}`); err != nil {
		return err
	}
	return errors.Join(
		wantConflict("put other data", t.put(k, `{"n":2}`, pipeline.Absent())),
		wantConflict("put the same data", t.put(k, `{"n":1}`, pipeline.Absent())),
	)
}

func checkAtVersion(t *trial) error {
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
	if _, err := t.replace(second, `{"n":3}`); err != nil {
		return err
	}
	put := func(version string) error { return t.put(first.Key, `{"n":4}`, pipeline.AtVersion(version)) }
	return errors.Join(
		wantConflict("put at the first version of three", put(first.Version)),
		wantConflict("put at the second version of three", put(second.Version)),
		wantConflict("put at another item's version", put(other.Version)),
		wantConflict("put at an unknown version", put(unknownVersion)),
	)
}

func checkAtVersionMissing(t *trial) error {
	k := t.key("a")
	if err := wantConflict("put", t.put(k, `{}`, pipeline.AtVersion(unknownVersion))); err != nil {
		return err
	}
	if it, err := t.table.Get(t.ctx, k); err == nil {
		return fmt.Errorf("got the item %v, want none", it)
	}
	return nil
}

func checkAtVersionEmpty(t *trial) error {
	k := t.key("a")
	if err := wantConflict("put without an item", t.put(k, `{}`, pipeline.AtVersion(""))); err != nil {
		return err
	}
	if _, err := t.create(k, `{"n":1}`); err != nil {
		return err
	}
	return errors.Join(
		wantConflict("put over an item", t.put(k, `{"n":2}`, pipeline.AtVersion(""))),
		wantConflict("delete", t.table.Delete(t.ctx, k, pipeline.AtVersion(""))),
	)
}

func checkConflictCurrent(t *trial) error {
	k := t.key("a")
	if _, err := t.createItem(pipeline.Item{Key: k, Expires: time.Now().Add(time.Hour), Data: []byte(`{"n":1}`)}); err != nil {
		return err
	}
	current, err := t.get(k)
	if err != nil {
		return err
	}
	check := func(doing string, c pipeline.Condition, err error) error {
		conflict, ok := errors.AsType[*pipeline.ConflictError](err)
		switch {
		case !ok:
			return wantConflict(doing, err)
		case conflict.Key != k || conflict.Condition != c:
			return fmt.Errorf("%s: got a conflict on %q at %v, want %q at %v", doing, conflict.Key, conflict.Condition, k, c)
		case !conflict.Exists:
			return fmt.Errorf("%s: got a conflict without an item, want one with it", doing)
		}
		return errors.Join(
			wantKey(doing+", the conflict's current item", conflict.Current, k),
			wantSame(doing+", the conflict's current item", conflict.Current, current),
		)
	}
	absent, other := pipeline.Absent(), pipeline.AtVersion(unknownVersion)
	return errors.Join(
		check("put if absent", absent, t.put(k, `{"n":2}`, absent)),
		check("put at another version", other, t.put(k, `{"n":2}`, other)),
		check("delete at another version", other, t.table.Delete(t.ctx, k, other)),
	)
}

func checkConflictNone(t *trial) error {
	err := t.put(t.key("a"), `{}`, pipeline.AtVersion(unknownVersion))
	conflict, ok := errors.AsType[*pipeline.ConflictError](err)
	switch {
	case !ok:
		return wantConflict("put", err)
	case conflict.Exists || conflict.Current.Version != "" || conflict.Current.Data != nil:
		return fmt.Errorf("got a conflict with exists %t and current %v, want false and a zero item", conflict.Exists, conflict.Current)
	}
	return nil
}

func checkConflictChangesNothing(t *trial) error {
	k := t.key("a")
	before, err := t.create(k, `{"n":1}`)
	if err != nil {
		return err
	}
	put := func(c pipeline.Condition) {
		// Other cases check the error.
		_, _ = t.table.Put(t.ctx, pipeline.Item{Key: k, Expires: time.Now().Add(time.Hour), Data: []byte(`{"n":2}`)}, c)
	}
	for _, step := range []struct {
		doing string
		do    func()
	}{
		{"a failed put if absent", func() { put(pipeline.Absent()) }},
		{"a failed put at another version", func() { put(pipeline.AtVersion(unknownVersion)) }},
		{"a failed delete at another version", func() { _ = t.table.Delete(t.ctx, k, pipeline.AtVersion(unknownVersion)) }},
	} {
		step.do()
		after, err := t.get(k)
		if err != nil {
			return fmt.Errorf("after %s: %w", step.doing, err)
		}
		want := before
		want.Data = []byte(`{"n":1}`)
		if err := wantSame("get after "+step.doing, after, want); err != nil {
			return err
		}
	}
	return nil
}
