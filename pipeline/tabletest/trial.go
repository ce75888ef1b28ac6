package tabletest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"

	"sluice/pipeline"
)

// A trial is one run of one case: the table under test and a partition key that
// no other run uses.
//
// A backend that breaks one rule fails one case, because cases depend on little:
// they create under Always, replace and delete at the version that they hold,
// and check only what their rule says.
type trial struct {
	ctx   context.Context
	table pipeline.Table
	pk    string
}

func (t *trial) key(sk string) pipeline.Key { return pipeline.Key{PK: t.pk, SK: sk} }

// create stores data under a key without an item.
func (t *trial) create(k pipeline.Key, data string) (pipeline.Item, error) {
	return t.createItem(pipeline.Item{Key: k, Data: json.RawMessage(data)})
}

func (t *trial) createItem(it pipeline.Item) (pipeline.Item, error) {
	stored, err := t.table.Put(t.ctx, it, pipeline.Always())
	if err != nil {
		return stored, fmt.Errorf("put the new item %.80q: %w", it.Key, err)
	}
	return stored, nil
}

// replace stores data in place of old.
func (t *trial) replace(old pipeline.Item, data string) (pipeline.Item, error) {
	it := pipeline.Item{Key: old.Key, Data: json.RawMessage(data)}
	stored, err := t.table.Put(t.ctx, it, pipeline.AtVersion(old.Version))
	if err != nil {
		return stored, fmt.Errorf("put at version %q, the current one: %w", old.Version, err)
	}
	return stored, nil
}

// remove deletes it.
func (t *trial) remove(it pipeline.Item) error {
	if err := t.table.Delete(t.ctx, it.Key, pipeline.AtVersion(it.Version)); err != nil {
		return fmt.Errorf("delete at version %q, the current one: %w", it.Version, err)
	}
	return nil
}

// get reads an existing item.
func (t *trial) get(k pipeline.Key) (pipeline.Item, error) {
	it, err := t.table.Get(t.ctx, k)
	if err != nil {
		return it, fmt.Errorf("get the stored item %.80q: %w", k, err)
	}
	return it, nil
}

// query returns the items that Query yields.
func (t *trial) query(pk, skPrefix string) ([]pipeline.Item, error) {
	var items []pipeline.Item
	for it, err := range t.table.Query(t.ctx, pk, skPrefix) {
		if err != nil {
			return items, fmt.Errorf("query with the prefix %.80q: %w", skPrefix, err)
		}
		items = append(items, it)
	}
	return items, nil
}

// sortKeys returns the sort keys of items, in their order.
func sortKeys(items []pipeline.Item) []string {
	sks := make([]string, 0, len(items))
	for _, it := range items {
		sks = append(sks, it.Key.SK)
	}
	return sks
}

// wantConflict returns nil if err is a *ConflictError.
func wantConflict(doing string, err error) error {
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok {
		return nil
	}
	return fmt.Errorf("%s: got the error %v, want a *ConflictError", doing, err)
}

// wantItemError returns nil if err is an *ItemError.
func wantItemError(doing string, err error) error {
	if _, ok := errors.AsType[*pipeline.ItemError](err); ok {
		return nil
	}
	return fmt.Errorf("%s: got the error %v, want an *ItemError", doing, err)
}

// wantKey returns nil if it is the item under k.
func wantKey(doing string, it pipeline.Item, k pipeline.Key) error {
	if it.Key == k {
		return nil
	}
	return fmt.Errorf("%s: got the key %.80q, want %.80q", doing, it.Key, k)
}

// wantData returns nil if both are equal JSON values.
func wantData(doing string, got, want []byte) error {
	if equalJSON(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got the data %.300s, want %.300s", doing, got, want)
}

// wantSame returns nil if the items are equal in every field except the key.
func wantSame(doing string, got, want pipeline.Item) error {
	switch {
	case got.Version != want.Version:
		return fmt.Errorf("%s: got the version %q, want %q", doing, got.Version, want.Version)
	case !got.Expires.Equal(want.Expires):
		return fmt.Errorf("%s: got the expiry %v, want %v", doing, got.Expires, want.Expires)
	}
	return wantData(doing, got.Data, want.Data)
}

// equalJSON compares JSON values: members in any order, numbers exactly.
func equalJSON(a, b []byte) bool {
	va, errA := decodeJSON(a)
	vb, errB := decodeJSON(b)
	return errA == nil && errB == nil && reflect.DeepEqual(va, vb)
}

// decodeJSON decodes one value, with each number as an exact rational in lowest
// terms.
func decodeJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("got bytes after the value")
	}
	return exactNumbers(v)
}

// exact is the canonical form of a number.
type exact string

func exactNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		r, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return nil, fmt.Errorf("got number %q, want a decimal", v)
		}
		return exact(r.RatString()), nil
	case []any:
		for i := range v {
			if v[i], err = exactNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = exactNumbers(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
