package tables

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"sluice/deploy/eventsource"
	"sluice/deploy/local/store"
)

// Checkpoints keep in the store how far a reader came in each shard of a feed, so
// that it goes on there after a restart. They know no leases: one process owns
// the store. Safe for concurrent use.
type Checkpoints struct {
	db     *store.DB
	reader string
}

var _ eventsource.Checkpoints = (*Checkpoints)(nil)

// NewCheckpoints returns the checkpoints of one reader. Readers with different
// names do not see each other's.
func NewCheckpoints(db *store.DB, reader string) *Checkpoints {
	return &Checkpoints{db: db, reader: reader}
}

var checkpointsBucket = []byte("checkpoints")

// Load implements [eventsource.Checkpoints].
func (c *Checkpoints) Load(ctx context.Context, shard string) (after string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	err = c.db.View(func(tx *bbolt.Tx) error {
		after = ""
		if root := tx.Bucket(checkpointsBucket); root != nil {
			if b := root.Bucket([]byte(c.reader)); b != nil {
				after = string(b.Get([]byte(shard)))
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("load the checkpoint of %q in shard %q: %w", c.reader, shard, err)
	}
	return after, nil
}

// Save implements [eventsource.Checkpoints]. It returns after the checkpoint is on
// the disk.
func (c *Checkpoints) Save(ctx context.Context, shard, after string) error {
	// On a full disk too: what was done must not be done again after each start.
	err := c.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucketIfNotExists(checkpointsBucket)
		if err != nil {
			return err
		}
		b, err := root.CreateBucketIfNotExists([]byte(c.reader))
		if err != nil {
			return err
		}
		return b.Put([]byte(shard), []byte(after))
	})
	if err != nil {
		return fmt.Errorf("save the checkpoint of %q in shard %q: %w", c.reader, shard, err)
	}
	return nil
}
