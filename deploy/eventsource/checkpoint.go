package eventsource

import (
	"context"
	"errors"
)

// ShardEnd is the checkpoint of a shard that has been read to its end.
const ShardEnd = "SHARD_END"

// Checkpoints store, for each shard, the sequence number up to which all
// records are done. They are safe for concurrent use. Several copies of a
// mapping may share a feed if the Checkpoints implement [Leases] and return
// ErrLeased and ErrLeaseLost.
type Checkpoints interface {
	// Load returns the checkpoint of a shard, or "" if there is none. ErrLeased
	// means that another copy reads the shard: the mapping asks again later.
	Load(ctx context.Context, shard string) (after string, err error)

	// Save stores a checkpoint. ErrLeaseLost means that another copy has taken
	// the shard: the mapping stops reading it. After any other error the
	// mapping continues and saves again when it has made progress.
	Save(ctx context.Context, shard, after string) error
}

// Errors of Checkpoints that implement [Leases].
var (
	ErrLeased    = errors.New("shard is leased to another copy")
	ErrLeaseLost = errors.New("lease of the shard is lost")
)
