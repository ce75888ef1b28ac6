package tabletest

import (
	"context"
	"errors"
	"fmt"

	"sluice/pipeline"
)

func callCases() []Case {
	return []Case{
		{"given-not-kept", "A table keeps no reference to its arguments.", checkGivenNotKept},
		{"returned-not-shared", "A table keeps no reference to its results.", checkReturnedNotShared},
		{"cancelled-writes-nothing", "A Put or Delete whose context is done changes nothing and returns the context's error.", checkCancelledWritesNothing},
		{"cancelled-reads", "A Get or Query whose context is done returns the context's error.", checkCancelledReads},
	}
}

// scribble overwrites data.
func scribble(data []byte) {
	for i := range data {
		data[i] = 'x'
	}
}

func checkGivenNotKept(t *trial) error {
	given := []byte(`{"a":"given"}`)
	put, err := t.createItem(pipeline.Item{Key: t.key("a"), Data: given})
	if err != nil {
		return err
	}
	scribble(given)
	if err := wantData("result of put, after the caller reused its slice", put.Data, []byte(`{"a":"given"}`)); err != nil {
		return err
	}
	got, err := t.get(t.key("a"))
	if err != nil {
		return err
	}
	return wantData("get after the caller reused its slice", got.Data, []byte(`{"a":"given"}`))
}

func checkReturnedNotShared(t *trial) error {
	k, want := t.key("a"), []byte(`{"a":"stored"}`)
	put, err := t.create(k, string(want))
	if err != nil {
		return err
	}
	get, err := t.get(k)
	if err != nil {
		return err
	}
	items, err := t.query(t.pk, "a")
	if err != nil {
		return err
	}
	var conflict *pipeline.ConflictError
	if err := t.put(k, `{}`, pipeline.AtVersion(unknownVersion)); !errors.As(err, &conflict) {
		return wantConflict("put at another version", err)
	}
	scribble(put.Data)
	scribble(get.Data)
	scribble(conflict.Current.Data)
	for _, it := range items {
		scribble(it.Data)
	}
	got, err := t.get(k)
	if err != nil {
		return err
	}
	return wantData("get after the caller changed the results", got.Data, want)
}

func checkCancelledWritesNothing(t *trial) error {
	old, err := t.create(t.key("a"), `{"n":1}`)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	put := func(k pipeline.Key, c pipeline.Condition) error {
		_, err := t.table.Put(ctx, pipeline.Item{Key: k, Data: []byte(`{"n":2}`)}, c)
		return err
	}
	for doing, err := range map[string]error{
		"put":               put(t.key("new"), pipeline.Always()),
		"put if absent":     put(t.key("new"), pipeline.Absent()),
		"put at version":    put(old.Key, pipeline.AtVersion(old.Version)),
		"delete":            t.table.Delete(ctx, old.Key, pipeline.Always()),
		"delete at version": t.table.Delete(ctx, old.Key, pipeline.AtVersion(old.Version)),
	} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: got the error %v, want that of the context", doing, err)
		}
	}
	got, err := t.get(old.Key)
	if err != nil {
		return err
	}
	if got.Version != old.Version {
		return fmt.Errorf("the item is at version %q, want %q as before", got.Version, old.Version)
	}
	if it, err := t.table.Get(t.ctx, t.key("new")); err == nil {
		return fmt.Errorf("got the new item %v, want none", it)
	}
	return nil
}

func checkCancelledReads(t *trial) error {
	if _, err := t.create(t.key("a"), `{}`); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	if _, err := t.table.Get(ctx, t.key("a")); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("get: got the error %v, want that of the context", err)
	}
	for _, err := range t.table.Query(ctx, t.pk, "a") {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("query: got the error %v, want that of the context", err)
		}
		return nil
	}
	return errors.New("query: got no error, want that of the context")
}
