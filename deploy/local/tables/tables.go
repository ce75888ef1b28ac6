// Package tables keeps [pipeline.Table] in the home's bbolt file, with an ordered
// change feed that reads like a DynamoDB stream.
//
// A change of an item and its record in the feed are one transaction, so that a
// process killed at any instant has both or neither, and whoever reads the feed
// sees each change once, in the order in which the changes were made.
//
// Each table has a bucket of its own below the bucket "tables":
//
//	items    key → item
//	expiry   seconds and key → nothing, for what expires
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

// Options are how a table is opened. The zero value is a table without a feed.
type Options struct {
	// Stream turns the change feed on.
	Stream bool
	// Retention is how long the feed keeps a change. Zero is 24 hours.
	Retention time.Duration
	// Sweep is how often Run looks for expired items and old changes. Zero is a
	// minute.
	Sweep time.Duration
	// Region and Account stand in the feed's ARN and records. Empty is us-east-1
	// and 000000000000.
	Region, Account string
	// Now is the clock of changes, of Run and of the feed's retention. Nil is the
	// store's.
	Now func() time.Time
	// Logger hears what Run does and what it fails at. Nil is silence.
	Logger *slog.Logger
}

// A Table is a [pipeline.Table] in a store. Several may be open on one store,
// but only one by each name. Safe for concurrent use.
type Table struct {
	db   *store.DB
	name string
	opt  Options
	feed *Feed
}

var _ pipeline.Table = (*Table)(nil)

// Open opens the table by that name, and makes it where there is none.
func Open(db *store.DB, name string, o Options) (*Table, error) {
	o.Retention = cmp.Or(o.Retention, 24*time.Hour)
	o.Sweep = cmp.Or(o.Sweep, time.Minute)
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = db.Now
	}
	if name == "" || o.Retention < 0 || o.Sweep < 0 {
		return nil, fmt.Errorf("open table %q: no name, or a retention (%v) or sweep (%v) below zero", name, o.Retention, o.Sweep)
	}
	t := &Table{db: db, name: name, opt: o}
	var created time.Time
	err := db.UpdateEvenIfFull(context.Background(), func(tx *bbolt.Tx) (err error) { // a full store must open to be emptied
		created, err = makeBuckets(tx, name, o.Now())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open table %q: %w", name, err)
	}
	t.feed = newFeed(t, created)
	return t, nil
}

// Feed returns the table's change feed. A table opened without Stream has a feed
// without shards.
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

// Put implements [pipeline.Table]. It returns after the write is on the disk.
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

// Delete implements [pipeline.Table]. It returns after the write is on the disk.
func (t *Table) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if err := precheck(ctx, pipeline.CheckKey(k)); err != nil {
		return err
	}
	return t.change(ctx, "delete", k, c, nil)
}

// change replaces what is under k by next, which is nil for nothing, if c holds.
func (t *Table) change(ctx context.Context, doing string, k pipeline.Key, c pipeline.Condition, next *pipeline.Item) error {
	update := t.db.Update
	if next == nil {
		update = t.db.UpdateEvenIfFull // a full disk must be possible to empty
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
	return t.opError(doing, k, err)
}

// write makes a change and puts it into the feed.
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

// precheck is what every method looks at before it asks the store.
func precheck(ctx context.Context, check error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return check
}

// opError says what was done to which item. A conflict says so itself, and the
// context's error is the caller's own.
func (t *Table) opError(doing string, k pipeline.Key, err error) error {
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s item %q of table %q: %w", doing, k, t.name, err)
}
