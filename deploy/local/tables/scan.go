package tables

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"sluice/pipeline"
)

// Scan returns all items, those of a partition together and by sort key. It
// begins after a key; the zero key begins at the first item. It reads one page
// at a time, and each page is a snapshot of its own. It is not part of the Table
// contract: it serves commands that list records.
func (t *Table) Scan(ctx context.Context, after pipeline.Key) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		var last []byte
		if after != (pipeline.Key{}) {
			last = itemKey(after)
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(pipeline.Item{}, err)
				return
			}
			items, err := t.scanPage(last)
			if err != nil {
				yield(pipeline.Item{}, fmt.Errorf("scan table %q: %w", t.name, err))
				return
			}
			for _, it := range items {
				if !yield(it, nil) {
					return
				}
			}
			if len(items) == 0 {
				return
			}
			last = itemKey(items[len(items)-1].Key)
		}
	}
}

// scanPage returns the items after a stored key; nil is the first page.
func (t *Table) scanPage(after []byte) (items []pipeline.Item, err error) {
	err = t.db.View(func(tx *bbolt.Tx) error {
		c := t.buckets(tx).items.Cursor()
		key, value := c.First()
		if after != nil {
			if key, value = c.Seek(after); bytes.Equal(key, after) {
				key, value = c.Next()
			}
		}
		for size := 0; key != nil && len(items) < pageItems && size < pageBytes; key, value = c.Next() {
			k, err := splitItemKey(key)
			if err != nil {
				return err
			}
			it, err := decodeItem(k, value)
			if err != nil {
				return err
			}
			items = append(items, it)
			size += len(value)
		}
		return nil
	})
	return items, err
}
