package tables

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
	"sluice/pipeline"
)

// sweepInterval is the time between the sweeps of Run.
const sweepInterval = time.Minute

// Limits of a sweep's transactions, which let other calls run in between.
const (
	expireBatch = 100
	trimBatch   = 1000
)

// Run removes expired items and trims the feed, at once and then every
// minute, until ctx ends; then it returns nil. It returns the error of
// a closed or broken store. It logs other errors and tries again.
func (t *Table) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		if err := t.sweep(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (t *Table) sweep(ctx context.Context) error {
	now := t.opt.Now()
	expired, err := t.Expire(ctx, now)
	trimmed, trimErr := t.Trim(ctx, now)
	err = errors.Join(err, trimErr)
	_, broken := errors.AsType[*store.BrokenError](err)
	switch {
	case ctx.Err() != nil:
		return nil
	case broken, errors.Is(err, store.ErrClosed):
		return err
	case err != nil:
		t.opt.Logger.ErrorContext(ctx, "sweep failed", "table", t.name, "error", err)
	}
	if expired+trimmed > 0 {
		t.opt.Logger.DebugContext(ctx, "swept", "table", t.name, "expired", expired, "trimmed", trimmed)
	}
	return nil
}

// Expire removes the items that are expired at now. In the feed they are
// deletions by the service. Expire returns how many items it removed, also with
// an error.
func (t *Table) Expire(ctx context.Context, now time.Time) (int, error) {
	return t.inBatches(ctx, "expire items", expireBatch, t.anyExpired(now), func(tx *bbolt.Tx) (int, error) {
		return t.expireSome(tx, now)
	})
}

// Trim removes the changes that are older than the retention at now, the oldest
// first. It returns how many changes it removed, also with an error.
func (t *Table) Trim(ctx context.Context, now time.Time) (int, error) {
	before := now.Add(-t.opt.Retention)
	return t.inBatches(ctx, "trim the feed", trimBatch, t.anyOlder(before), func(tx *bbolt.Tx) (int, error) {
		return t.trimSome(tx, before)
	})
}

// inBatches calls some in one transaction after the other until it handles less
// than a whole batch. It writes nothing unless any returns true.
func (t *Table) inBatches(ctx context.Context, op string, batch int, any func(*bbolt.Tx) (bool, error), some func(*bbolt.Tx) (int, error)) (int, error) {
	found := false
	err := t.db.View(func(tx *bbolt.Tx) (err error) {
		found, err = any(tx)
		return err
	})
	total := 0
	for done := batch; err == nil && found && done == batch; total += done {
		done = 0
		err = t.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) (err error) {
			done, err = some(tx)
			return err
		})
		if err != nil {
			done = 0
		}
	}
	if err != nil {
		return total, fmt.Errorf("%s of table %q: %w", op, t.name, err)
	}
	return total, nil
}

func (t *Table) anyExpired(now time.Time) func(*bbolt.Tx) (bool, error) {
	return func(tx *bbolt.Tx) (bool, error) {
		key, _ := t.buckets(tx).expiry.Cursor().First()
		if key == nil {
			return false, nil
		}
		expires, _, err := splitExpiryKey(key)
		return !expires.After(now), err
	}
}

// expireSome removes one batch of expired items.
func (t *Table) expireSome(tx *bbolt.Tx, now time.Time) (int, error) {
	b := t.buckets(tx)
	var expired []pipeline.Key // collected first: a cursor is invalid after a change
	c := b.expiry.Cursor()
	for key, _ := c.First(); key != nil && len(expired) < expireBatch; key, _ = c.Next() {
		expires, itemKey, err := splitExpiryKey(key)
		if err != nil {
			return 0, err
		}
		if expires.After(now) {
			break
		}
		k, err := splitItemKey(itemKey)
		if err != nil {
			return 0, err
		}
		expired = append(expired, k)
	}
	for _, k := range expired {
		it, exists, err := b.get(k)
		if err != nil {
			return 0, err
		}
		if !exists || !it.Expired(now) {
			return 0, fmt.Errorf("item %q: the expiry index does not match the table", k)
		}
		if err := t.write(tx, b, change{at: t.opt.Now(), key: k, old: &it, service: true}); err != nil {
			return 0, err
		}
	}
	return len(expired), nil
}

func (t *Table) anyOlder(before time.Time) func(*bbolt.Tx) (bool, error) {
	return func(tx *bbolt.Tx) (bool, error) {
		key, value := t.buckets(tx).feed.Cursor().First()
		if key == nil {
			return false, nil
		}
		at, err := changedAt(value)
		return at.Before(before), err
	}
}

// trimSome removes one batch of old changes.
func (t *Table) trimSome(tx *bbolt.Tx, before time.Time) (int, error) {
	feed := t.buckets(tx).feed
	var old [][]byte
	c := feed.Cursor()
	for key, value := c.First(); key != nil && len(old) < trimBatch; key, value = c.Next() {
		at, err := changedAt(value)
		if err != nil {
			return 0, err
		}
		if !at.Before(before) {
			break
		}
		old = append(old, bytes.Clone(key))
	}
	for _, key := range old {
		if err := feed.Delete(key); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

// changedAt decodes only the time of a stored change.
func changedAt(value []byte) (time.Time, error) {
	if len(value) < 9 || value[0] != formChange {
		return time.Time{}, fmt.Errorf("stored change: %w", errForm)
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(value[1:]))).UTC(), nil
}
