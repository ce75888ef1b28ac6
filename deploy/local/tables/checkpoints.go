package tables

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"sluice/deploy/eventsource"
	"sluice/deploy/local/store"
)

// Checkpoints stores the position of a reader in each shard of a feed, so that
// the reader continues there after a restart. It has no leases, since one
// process owns the store. It is safe for concurrent use.
type Checkpoints struct {
	db     *store.DB
	reader string
}

var _ eventsource.Checkpoints = (*Checkpoints)(nil)

// NewCheckpoints returns the checkpoints of one reader. The checkpoints of
// readers with different names are independent.
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

// Save implements [eventsource.Checkpoints]. It returns when the checkpoint is
// on the disk.
func (c *Checkpoints) Save(ctx context.Context, shard, after string) error {
	// Also on a full disk: otherwise the reader processes the same changes
	// again after each restart.
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
