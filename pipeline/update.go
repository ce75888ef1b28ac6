package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// updateTries bounds how often Update starts over after a conflict.
const updateTries = 10

// Update changes the item under k by what it is now. change gets the item's
// data as a T (its zero value where there is no item) and returns a patch: a
// value that marshals to a JSON object, whose members replace the item's members
// of the same names; a member that is null removes its name. All else in the
// item stays, also what T does not know. A nil patch leaves the item as it is.
//
// The write holds only on the version that was read; after a conflict change is
// called again, with the item as it stands then. So change must have no effect
// of its own. After ten conflicts the error is the *ConflictError. An error of
// change is returned as it is.
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

// mergeData lays the members of patch over those of data.
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
		return nil, fmt.Errorf("patch is no JSON object: %w", err)
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
