package tables

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/eventsource"
	"sluice/deploy/internal/broadcast"
)

// shardID names the one shard of a feed. One shard keeps all changes in order,
// and an event source mapping can process the keys of a shard in parallel.
const shardID = "shardId-00000000000000000000-00000001"

// readWait is how long Read waits for a change before it returns an empty page.
const readWait = time.Second

// A Feed is the change feed of a table: an [eventsource.Feed] with one shard,
// whose records are those of a DynamoDB stream with new and old images. It is
// safe for concurrent use.
//
// Sequence numbers are consecutive and have 21 digits, so they sort as text.
type Feed struct {
	table *Table
	arn   string
	news  broadcast.Signal // a change was committed
}

var _ eventsource.Feed = (*Feed)(nil)

func newFeed(t *Table, created time.Time) *Feed {
	return &Feed{
		table: t,
		arn: fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s/stream/%s",
			t.opt.Region, t.opt.Account, t.name, created.Format("2006-01-02T15:04:05.000")),
	}
}

// ARN implements [eventsource.Feed]. It does not change when the store is
// reopened.
func (f *Feed) ARN() string { return f.arn }

// Shards implements [eventsource.Feed].
func (f *Feed) Shards(context.Context) ([]eventsource.Shard, error) {
	if !f.table.opt.Stream {
		return nil, nil
	}
	return []eventsource.Shard{{ID: shardID}}, nil
}

// Last returns the sequence number of the newest change, or "" if there is
// none.
func (f *Feed) Last(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	last, err := f.lastSequence()
	if err != nil || last == 0 {
		return "", err
	}
	return formatSequence(last), nil
}

func (f *Feed) lastSequence() (last uint64, err error) {
	err = f.table.db.View(func(tx *bbolt.Tx) error {
		last = f.table.buckets(tx).feed.Sequence()
		return nil
	})
	if err != nil {
		return 0, f.errorf("read the last sequence number: %w", err)
	}
	return last, nil
}

// Read implements [eventsource.Feed]. A waiting Read returns as soon as a
// change is committed.
func (f *Feed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	switch {
	case shard != shardID || !f.table.opt.Stream:
		return eventsource.Page{}, f.errorf("shard %q does not exist", shard)
	case limit <= 0:
		return eventsource.Page{}, f.errorf("limit: got %d, want 1 or more", limit)
	case ctx.Err() != nil:
		return eventsource.Page{}, ctx.Err()
	}
	position, fromOldest := uint64(0), after == ""
	if !fromOldest {
		var err error
		if position, err = parseSequence(after); err != nil {
			return eventsource.Page{}, f.errorf("%w", err)
		}
	}
	wait := time.NewTimer(readWait)
	defer wait.Stop()
	for {
		changed := f.news.Next() // before reading, so that no commit is missed
		records, err := f.read(position, fromOldest, limit)
		if err != nil || len(records) > 0 {
			return eventsource.Page{Records: records}, err
		}
		select {
		case <-changed:
		case <-wait.C:
			return eventsource.Page{}, nil
		case <-ctx.Done():
			return eventsource.Page{}, nil
		}
	}
}

// maxReadBytes ends a page early, as DynamoDB does at 1 MB. A single change may
// be larger.
const maxReadBytes = 1 << 20

// read returns the changes after a position.
func (f *Feed) read(position uint64, fromOldest bool, limit int) ([]eventsource.FeedRecord, error) {
	var sequences []uint64
	var changes []change
	err := f.table.db.View(func(tx *bbolt.Tx) error {
		b := f.table.buckets(tx).feed
		c := b.Cursor()
		key, value := c.Seek(feedKey(position + 1))
		if !fromOldest {
			if err := checkPosition(position, key, b.Sequence()); err != nil {
				return err
			}
		}
		for size := 0; key != nil && len(changes) < limit && size < maxReadBytes; key, value = c.Next() {
			ch, err := decodeChange(value)
			if err != nil {
				return err
			}
			sequences, changes = append(sequences, binary.BigEndian.Uint64(key)), append(changes, ch)
			size += len(value)
		}
		return nil
	})
	if err != nil {
		return nil, f.errorf("read after %s: %w", formatSequence(position), err)
	}
	records := make([]eventsource.FeedRecord, 0, len(changes))
	for i, ch := range changes {
		r, err := f.record(formatSequence(sequences[i]), ch)
		if err != nil {
			return nil, f.errorf("change %s: %w", formatSequence(sequences[i]), err)
		}
		records = append(records, r)
	}
	return records, nil
}

// checkPosition returns ErrTrimmed if changes after position are missing: the
// next stored change must have the next sequence number, since sequence numbers
// have no gaps.
func checkPosition(position uint64, next []byte, last uint64) error {
	switch {
	case position > last: // the position belongs to a feed that was deleted
		return fmt.Errorf("%w: the last change is %s", eventsource.ErrTrimmed, formatSequence(last))
	case next != nil && binary.BigEndian.Uint64(next) != position+1, next == nil && position < last:
		return eventsource.ErrTrimmed
	}
	return nil
}

// append appends a change to the feed.
func (b buckets) append(ch change) error {
	sequence, err := b.feed.NextSequence()
	if err != nil {
		return err
	}
	b.feed.FillPercent = 0.9 // keys are appended only
	return b.feed.Put(feedKey(sequence), encodeChange(ch))
}

func feedKey(sequence uint64) []byte { return binary.BigEndian.AppendUint64(nil, sequence) }

// formatSequence formats all numbers with the same length and without leading
// zeros.
func formatSequence(n uint64) string { return fmt.Sprintf("1%020d", n) }

func parseSequence(s string) (uint64, error) {
	digits, ok := strings.CutPrefix(s, "1")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || formatSequence(n) != s {
		return 0, fmt.Errorf("sequence number: got %q, want 21 digits that begin with 1", s)
	}
	return n, nil
}

func (f *Feed) errorf(format string, args ...any) error {
	return fmt.Errorf("feed of table %q: "+format, append([]any{f.table.name}, args...)...)
}
