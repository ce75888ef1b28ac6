package tables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"sluice/pipeline"
)

var (
	rootBucket   = []byte("tables")
	itemsBucket  = []byte("items")
	expiryBucket = []byte("expiry")
	feedBucket   = []byte("feed")
	createdKey   = []byte("created") // in the table's bucket; Unix milliseconds
)

// buckets holds the buckets of one table in one transaction.
type buckets struct {
	items  *bbolt.Bucket
	expiry *bbolt.Bucket
	feed   *bbolt.Bucket
}

// makeBuckets creates the missing buckets of a table, and returns when the
// table was created.
func makeBuckets(tx *bbolt.Tx, name string, now time.Time) (created time.Time, err error) {
	root, err := tx.CreateBucketIfNotExists(rootBucket)
	if err != nil {
		return created, err
	}
	table, err := root.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return created, err
	}
	for _, b := range [][]byte{itemsBucket, expiryBucket, feedBucket} {
		if _, err := table.CreateBucketIfNotExists(b); err != nil {
			return created, err
		}
	}
	if stored := table.Get(createdKey); len(stored) == 8 {
		return time.UnixMilli(int64(binary.BigEndian.Uint64(stored))).UTC(), nil
	}
	now = now.UTC().Truncate(time.Millisecond)
	return now, table.Put(createdKey, binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())))
}

// buckets returns the buckets of t, which Open has created.
func (t *Table) buckets(tx *bbolt.Tx) buckets {
	table := tx.Bucket(rootBucket).Bucket([]byte(t.name))
	return buckets{table.Bucket(itemsBucket), table.Bucket(expiryBucket), table.Bucket(feedBucket)}
}

// get returns a copy of the item under k.
func (b buckets) get(k pipeline.Key) (it pipeline.Item, exists bool, err error) {
	value := b.items.Get(itemKey(k))
	if value == nil {
		return it, false, nil
	}
	it, err = decodeItem(k, value)
	return it, err == nil, err
}

// replace replaces the item old by next. Nil means no item.
func (b buckets) replace(k pipeline.Key, old, next *pipeline.Item) error {
	key := itemKey(k)
	if old != nil && !old.Expires.IsZero() {
		if err := b.expiry.Delete(expiryKey(old.Expires, key)); err != nil {
			return err
		}
	}
	if next == nil {
		return b.items.Delete(key)
	}
	if !next.Expires.IsZero() {
		if err := b.expiry.Put(expiryKey(next.Expires, key), nil); err != nil {
			return err
		}
	}
	return b.items.Put(key, encodeItem(nil, *next))
}

// A key in the bucket "items" is the length of PK in two bytes, PK, and SK. The
// items of one partition are adjacent, in the byte order of their sort keys.

func partitionKey(pk string) []byte {
	key := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(pk)+pipeline.MaxSKBytes), uint16(len(pk)))
	return append(key, pk...)
}

func itemKey(k pipeline.Key) []byte { return append(partitionKey(k.PK), k.SK...) }

func splitItemKey(key []byte) (pipeline.Key, error) {
	if len(key) >= 2 {
		n := int(binary.BigEndian.Uint16(key))
		if rest := key[2:]; n <= len(rest) {
			return pipeline.Key{PK: string(rest[:n]), SK: string(rest[n:])}, nil
		}
	}
	return pipeline.Key{}, fmt.Errorf("stored key %q: %w", key, errForm)
}

// expiryKey is the time in seconds, with the sign bit inverted so that the keys
// sort by time, followed by the item's key.
func expiryKey(expires time.Time, itemKey []byte) []byte {
	key := make([]byte, 0, 8+len(itemKey))
	key = binary.BigEndian.AppendUint64(key, uint64(expires.Unix())^1<<63)
	return append(key, itemKey...)
}

func splitExpiryKey(key []byte) (expires time.Time, itemKey []byte, err error) {
	if len(key) < 8 {
		return expires, nil, fmt.Errorf("stored expiry %q: %w", key, errForm)
	}
	return time.Unix(int64(binary.BigEndian.Uint64(key)^1<<63), 0).UTC(), key[8:], nil
}

// errForm reports data in the file that this program has not written.
var errForm = errors.New("unknown form")
