package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// updateTries is how often Update writes before it reports the conflict.
const updateTries = 10

// Update changes the item under k depending on its current data. It calls change
// with the data as a T, or the zero T if there is no item. change returns a
// patch: a value that marshals to a JSON object, whose members replace the
// item's members of the same names. A null member removes its name. Other
// members stay, including those that T does not have. A nil patch writes nothing.
//
// The write is conditional on the version that was read. After a conflict Update
// calls change again with the item that is there then, so change must have no
// side effect. After ten conflicts Update returns the *ConflictError. It returns
// an error of change unchanged.
func Update[T any](ctx context.Context, t Table, k Key, change func(current T, exists bool) (patch any, err error)) (Item, error) {
	it, err := t.Get(ctx, k)
	exists := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Item{}, err
	}
	var conflict *ConflictError
	for range updateTries {
		var current T
		cond := Absent()
		if exists {
			cond = AtVersion(it.Version)
			if err := it.Decode(&current); err != nil {
				return Item{}, err
			}
		} else {
			it = Item{Key: k}
		}
		patch, err := change(current, exists)
		if err != nil || patch == nil {
			return it, err
		}
		next := it
		if next.Data, err = mergeData(it.Data, patch); err != nil {
			return Item{}, fmt.Errorf("update item %q: %w", k, err)
		}
		stored, err := t.Put(ctx, next, cond)
		if err == nil {
			return stored, nil
		}
		if !errors.As(err, &conflict) {
			return Item{}, err
		}
		it, exists = conflict.Current, conflict.Exists
	}
	return Item{}, conflict
}

// mergeData returns data with the members of patch set or removed.
func mergeData(data json.RawMessage, patch any) (json.RawMessage, error) {
	raw, err := json.Marshal(patch)
	if err != nil {
		return nil, err
	}
	members, changes := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &members); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(raw, &changes); err != nil {
		return nil, fmt.Errorf("patch: got %s, want a JSON object", raw)
	}
	for name, v := range changes {
		if string(v) == "null" {
			delete(members, name)
			continue
		}
		members[name] = v
	}
	return json.Marshal(members)
}
