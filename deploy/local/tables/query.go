package tables

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"sluice/pipeline"
)

// Limits of a page of a query. Each page has a transaction of its own, so that
// no transaction is open while the caller processes an item.
const (
	pageItems = 256
	pageBytes = 1 << 20
)

// Query implements [pipeline.Table]. It reads one page at a time, and each page
// is a snapshot of its own.
func (t *Table) Query(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		// An empty prefix matches every key; any other must be a valid sort
		// key.
		if err := precheck(ctx, pipeline.CheckKey(pipeline.Key{PK: pk, SK: cmp.Or(skPrefix, "-")})); err != nil {
			yield(pipeline.Item{}, err)
			return
		}
		prefix := append(partitionKey(pk), skPrefix...)
		for after := []byte(nil); ; {
			if err := ctx.Err(); err != nil {
				yield(pipeline.Item{}, err)
				return
			}
			items, more, err := t.page(pk, prefix, after)
			if err != nil {
				yield(pipeline.Item{}, fmt.Errorf("query %q/%q of table %q: %w", pk, skPrefix, t.name, err))
				return
			}
			for _, it := range items {
				if !yield(it, nil) {
					return
				}
			}
			if !more {
				return
			}
			after = itemKey(items[len(items)-1].Key)
		}
	}
}

// page returns the items whose keys begin with prefix and follow after, which
// is nil for the first page. more reports whether there may be further items.
func (t *Table) page(pk string, prefix, after []byte) (items []pipeline.Item, more bool, err error) {
	err = t.db.View(func(tx *bbolt.Tx) error {
		c := t.buckets(tx).items.Cursor()
		key, value := c.Seek(prefix)
		if after != nil {
			if key, value = c.Seek(after); bytes.Equal(key, after) {
				key, value = c.Next()
			}
		}
		for size := 0; bytes.HasPrefix(key, prefix); key, value = c.Next() {
			if len(items) == pageItems || size >= pageBytes {
				more = true
				return nil
			}
			it, err := decodeItem(pipeline.Key{PK: pk, SK: string(key[2+len(pk):])}, value)
			if err != nil {
				return err
			}
			items = append(items, it)
			size += len(value)
		}
		return nil
	})
	return items, more, err
}
