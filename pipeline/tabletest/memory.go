package tabletest

import (
	"cmp"
	"context"
	"crypto/rand"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/pipeline"
)

// Memory is a [pipeline.Table] in memory, for tests. It passes the suite and does
// not remove expired items. The zero value is an empty table. It is safe for
// concurrent use.
type Memory struct {
	mu    sync.Mutex
	items map[pipeline.Key]pipeline.Item
}

// Keys returns the keys of all items, in no order.
func (m *Memory) Keys() []pipeline.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.items))
}

// Get implements [pipeline.Table].
func (m *Memory) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if err := cmp.Or(ctx.Err(), pipeline.CheckKey(k)); err != nil {
		return pipeline.Item{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	it, ok := m.items[k]
	if !ok {
		return pipeline.Item{}, pipeline.ErrNotFound
	}
	return clone(it), nil
}

// Put implements [pipeline.Table].
func (m *Memory) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if err := cmp.Or(ctx.Err(), pipeline.CheckItem(it)); err != nil {
		return pipeline.Item{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.conflict(it.Key, c); err != nil {
		return pipeline.Item{}, err
	}
	it = clone(it)
	it.Version = rand.Text()
	if !it.Expires.IsZero() {
		it.Expires = time.Unix(it.Expires.Unix(), 0).UTC()
	}
	if m.items == nil {
		m.items = make(map[pipeline.Key]pipeline.Item)
	}
	m.items[it.Key] = it
	return clone(it), nil
}

// Delete implements [pipeline.Table].
func (m *Memory) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if err := cmp.Or(ctx.Err(), pipeline.CheckKey(k)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.conflict(k, c); err != nil {
		return err
	}
	delete(m.items, k)
	return nil
}

// Query implements [pipeline.Table]. It yields the items of the time at which the
// iteration began.
func (m *Memory) Query(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		if err := cmp.Or(ctx.Err(), pipeline.CheckKey(pipeline.Key{PK: pk, SK: cmp.Or(skPrefix, "-")})); err != nil {
			yield(pipeline.Item{}, err)
			return
		}
		for _, it := range m.snapshot(pk, skPrefix) {
			if err := ctx.Err(); err != nil {
				yield(pipeline.Item{}, err)
				return
			}
			if !yield(clone(it), nil) {
				return
			}
		}
	}
}

// snapshot returns the items of one partition in the order of their sort keys.
func (m *Memory) snapshot(pk, skPrefix string) []pipeline.Item {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []pipeline.Item
	for k, it := range m.items {
		if k.PK == pk && strings.HasPrefix(k.SK, skPrefix) {
			found = append(found, it)
		}
	}
	slices.SortFunc(found, func(a, b pipeline.Item) int { return cmp.Compare(a.Key.SK, b.Key.SK) })
	return found
}

// conflict returns nil if c holds for the item under k. The caller holds the lock.
func (m *Memory) conflict(k pipeline.Key, c pipeline.Condition) error {
	current, exists := m.items[k]
	if c.Holds(current, exists) {
		return nil
	}
	return &pipeline.ConflictError{Key: k, Condition: c, Current: clone(current), Exists: exists}
}

// clone returns a copy of it that shares no data.
func clone(it pipeline.Item) pipeline.Item {
	it.Data = slices.Clone(it.Data)
	return it
}
