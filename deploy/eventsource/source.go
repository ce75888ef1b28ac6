package eventsource

import (
	"context"
	"errors"
	"time"
)

// Feed is a change feed: shards of ordered records. A DynamoDB stream and the
// feed of a local table are feeds. A Feed is safe for concurrent use.
type Feed interface {
	// ARN names the feed. Events carry its region, and the ARN of the function
	// its account.
	ARN() string

	// Shards lists every shard that can be read, including closed ones, in any
	// order. A parent that is not listed has no records left to wait for.
	Shards(ctx context.Context) ([]Shard, error)

	// Read returns up to limit records of a shard that come after a sequence
	// number. If after is "", it starts with the oldest record. If there is no
	// record, Read waits until there is one, ctx ends or about a second has
	// passed, and returns an empty page.
	//
	// The error wraps ErrTrimmed if records after the sequence number are gone
	// or, if after is "", the whole shard is. A page may hold fewer records
	// than the shard has: a few megabytes are enough.
	Read(ctx context.Context, shard, after string, limit int) (Page, error)
}

// Shard is an ordered part of a feed. A shard is read only after its parent has
// been read to its end.
type Shard struct {
	ID     string
	Parent string // "" if it has none
}

// Page is the result of one Read.
type Page struct {
	Records []FeedRecord
	// End reports that the shard is closed and this is its last page.
	End bool
}

// FeedRecord is one change.
type FeedRecord struct {
	Sequence string    // position in the shard; the response names it
	Key      string    // partition key: a ParallelizationFactor keeps the order of the records of one key
	At       time.Time // of the change, for MaxRecordAge; a zero time is never too old
	JSON     []byte    // one element of "Records" in Lambda's event
}

func (r FeedRecord) json() []byte { return r.JSON }
func (r FeedRecord) size() int    { return len(r.JSON) + 1 }

// ErrTrimmed reports that records after a checkpoint are older than the feed's
// retention. The mapping logs it and continues with the oldest record or, if
// the shard is gone, with its children.
var ErrTrimmed = errors.New("records are trimmed")
