// Package tables implements [pipeline.Table] in the local stack's bbolt file,
// with an ordered change feed that reads like a DynamoDB stream.
//
// A change of an item and its record in the feed are written in one
// transaction. A process killed at any instant has written both or neither, and
// the feed contains each change once, in the order in which the changes were
// made.
//
// Each table has a bucket of its own below the bucket "tables":
//
//	items    key → item
//	expiry   seconds and key → nothing, for items that expire
//	feed     sequence number → change
package tables

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
	"sluice/pipeline"
)

// Options configures [Open]. The zero value is a table without a feed.
type Options struct {
	// Stream enables the change feed.
	Stream bool
	// Retention is how long the feed keeps a change. Zero means 24 hours.
	Retention time.Duration
	// Region and Account are part of the feed's ARN and records. Empty means
	// us-east-1 and 000000000000.
	Region, Account string
	// Now returns the time for changes and sweeps. Nil means the store's clock.
	Now func() time.Time
	// Logger receives what Run removed and its errors. Nil discards them.
	Logger *slog.Logger
}

// A Table is a [pipeline.Table] in a store. Several tables may be open on one
// store, but only one of each name. It is safe for concurrent use.
type Table struct {
	db   *store.DB
	name string
	opt  Options
	feed *Feed
}

var _ pipeline.Table = (*Table)(nil)

// Open opens the table with that name, and creates it if it does not exist.
func Open(db *store.DB, name string, o Options) (*Table, error) {
	o.Retention = cmp.Or(o.Retention, 24*time.Hour)
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = db.Now
	}
	if name == "" || o.Retention < 0 {
		return nil, fmt.Errorf("open table: got the name %q and the Retention %v, want a name and a duration of 0 or more", name, o.Retention)
	}
	t := &Table{db: db, name: name, opt: o}
	var created time.Time
	err := db.UpdateEvenIfFull(context.Background(), func(tx *bbolt.Tx) (err error) { // a full store must open, so that it can be emptied
		created, err = makeBuckets(tx, name, o.Now())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open table %q: %w", name, err)
	}
	t.feed = newFeed(t, created)
	return t, nil
}

// Feed returns the table's change feed. Without [Options.Stream] the feed has
// no shards.
func (t *Table) Feed() *Feed { return t.feed }

// Get implements [pipeline.Table].
func (t *Table) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if err := precheck(ctx, pipeline.CheckKey(k)); err != nil {
		return pipeline.Item{}, err
	}
	var it pipeline.Item
	exists := false
	err := t.db.View(func(tx *bbolt.Tx) (err error) {
		it, exists, err = t.buckets(tx).get(k)
		return err
	})
	switch {
	case err != nil:
		return pipeline.Item{}, t.opError("get", k, err)
	case !exists:
		return pipeline.Item{}, pipeline.ErrNotFound
	}
	return it, nil
}

// Put implements [pipeline.Table]. It returns when the write is on the disk.
func (t *Table) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if err := precheck(ctx, pipeline.CheckItem(it)); err != nil {
		return pipeline.Item{}, err
	}
	it.Version = rand.Text()
	it.Data = slices.Clone(it.Data)
	if !it.Expires.IsZero() {
		it.Expires = time.Unix(it.Expires.Unix(), 0).UTC()
	}
	if err := t.change(ctx, "put", it.Key, c, &it); err != nil {
		return pipeline.Item{}, err
	}
	return it, nil
}

// Delete implements [pipeline.Table]. It returns when the write is on the disk.
func (t *Table) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if err := precheck(ctx, pipeline.CheckKey(k)); err != nil {
		return err
	}
	return t.change(ctx, "delete", k, c, nil)
}

// change replaces the item under k by next if c holds. Nil deletes the item.
func (t *Table) change(ctx context.Context, op string, k pipeline.Key, c pipeline.Condition, next *pipeline.Item) error {
	update := t.db.Update
	if next == nil {
		update = t.db.UpdateEvenIfFull // deletions succeed on a full disk
	}
	err := update(ctx, func(tx *bbolt.Tx) error {
		b := t.buckets(tx)
		current, exists, err := b.get(k)
		if err != nil {
			return store.Unchanged(err)
		}
		if !c.Holds(current, exists) {
			return store.Unchanged(&pipeline.ConflictError{Key: k, Condition: c, Current: current, Exists: exists})
		}
		if !exists && next == nil {
			return nil
		}
		ch := change{at: t.opt.Now(), key: k, next: next}
		if exists {
			ch.old = &current
		}
		return t.write(tx, b, ch)
	})
	return t.opError(op, k, err)
}

// write applies a change and appends it to the feed.
func (t *Table) write(tx *bbolt.Tx, b buckets, ch change) error {
	if err := b.replace(ch.key, ch.old, ch.next); err != nil {
		return err
	}
	if !t.opt.Stream {
		return nil
	}
	if err := b.append(ch); err != nil {
		return err
	}
	tx.OnCommit(t.feed.news.Broadcast)
	return nil
}

// precheck returns the context's error, or else check.
func precheck(ctx context.Context, check error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return check
}

// opError adds the operation, item and table to err, except to a conflict,
// which names its item.
func (t *Table) opError(op string, k pipeline.Key, err error) error {
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s item %q of table %q: %w", op, k, t.name, err)
}
