package eventsource

import (
	"context"
	"errors"
	"time"
)

// Feed is a change feed: shards of records in order, such as a DynamoDB stream or the local table's feed.
// It is safe for concurrent use.
type Feed interface {
	// ARN names the feed. Events come from its region and account.
	ARN() string

	// Shards lists every shard that can be read now, closed ones too, parents or not, in any order.
	// A shard whose parent is not listed has none left to wait for.
	Shards(ctx context.Context) ([]Shard, error)

	// Read returns up to limit records of a shard that stand after a sequence number: "" reads from the oldest there is, and
	// Latest only what is added from now on. When there is nothing it waits until there is, until ctx ends or for about a
	// second, and returns an empty page. It returns an error that wraps ErrTrimmed when records after that point are gone, and
	// for "" when the whole shard is. A page may hold fewer records than there are: a few megabytes are enough.
	Read(ctx context.Context, shard, after string, limit int) (Page, error)
}

// Shard is one ordered part of a feed. A child is read only after its parent was read to its end.
type Shard struct {
	ID     string
	Parent string // "" has none
}

// Page is what one Read returns.
type Page struct {
	Records []FeedRecord
	// After is the position an empty page leads to. A feed sets it when it was asked for Latest and can name the
	// position that this means; "" leaves the position as it was. It is ignored when there are records.
	After string
	// End says that the shard is closed and that this page is its last.
	End bool
}

// FeedRecord is one change.
type FeedRecord struct {
	Sequence string    // position in the shard, what the answer names
	Key      string    // partition key as text: records of one key keep their order under a ParallelizationFactor
	At       time.Time // when the change was made, for MaxRecordAge; the zero time is never too old
	JSON     []byte    // one element of "Records" in Lambda's event
}

func (r FeedRecord) json() []byte { return r.JSON }
func (r FeedRecord) size() int    { return len(r.JSON) + 1 }

// Positions that are not sequence numbers. [Feed.Read] knows Latest, [Checkpoints] keep both.
const (
	// Latest is the position behind the last record there is.
	Latest = "LATEST"
	// ShardEnd is the checkpoint of a shard that was read to its end.
	ShardEnd = "SHARD_END"
)

// ErrTrimmed says that records after a checkpoint fell off the feed's retention. The mapping logs it and goes on with the
// oldest record there is, or with the children when the shard is gone.
var ErrTrimmed = errors.New("records are trimmed")

// Checkpoints keep for each shard the sequence number up to which everything is done. They are safe for concurrent use.
// Several copies of a mapping may share a feed when the checkpoints hold leases, use the two errors and are [Leases].
type Checkpoints interface {
	// Load returns a shard's checkpoint, "" when there is none. ErrLeased means that another copy reads the shard: the mapping
	// asks again later.
	Load(ctx context.Context, shard string) (after string, err error)

	// Save stores a checkpoint. ErrLeaseLost means that another copy took the shard over: the mapping stops reading it.
	// After any other error the mapping goes on and saves again with its next step.
	Save(ctx context.Context, shard, after string) error
}

// What Checkpoints with leases return.
var (
	ErrLeased    = errors.New("shard is leased to another copy")
	ErrLeaseLost = errors.New("lease of the shard is lost")
)
