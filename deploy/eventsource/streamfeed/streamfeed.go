// Package streamfeed reads a DynamoDB stream as an [eventsource.Feed]: its
// shards, their parents, and their records in the JSON that Lambda hands to a
// function.
package streamfeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"sluice/deploy/eventsource"
)

// Client is what a feed needs of *dynamodbstreams.Client. The client's own
// retries pace throttled calls.
type Client interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

var _ Client = (*dynamodbstreams.Client)(nil)

const (
	readWait   = time.Second            // how long Read waits for a record
	pollEvery  = 250 * time.Millisecond // between empty pages: four a second and shard, as Lambda does
	maxRecords = 1000                   // of one GetRecords call
	callLimit  = 15 * time.Second       // of one call, its retries included
	maxRenewed = 3                      // iterators that one Read may find expired or trimmed
)

// A Feed is one DynamoDB stream. Safe for concurrent use.
//
// It remembers one iterator a shard, so that reading on costs one call a page.
// An iterator that expired (after 15 minutes) is replaced by one at the same
// position.
//
// DynamoDB cannot name the position that Latest means until there was a record:
// a process that ends before it saw one starts at the latest again, and has not
// seen what came between; so has one whose reads failed for the 15 minutes that an
// iterator lives. A read that fails otherwise keeps its place.
//
// A call that gets no answer ends after 15 s, as an error.
//
// A stream that was disabled can be read for a day; one that is enabled again is
// another stream, with another ARN and a Feed of its own.
type Feed struct {
	client Client
	arn    string
	region string

	mu   sync.Mutex
	next map[string]iterator // by shard: where its last Read ended
}

var _ eventsource.Feed = (*Feed)(nil)

// iterator is DynamoDB's handle on the position after a sequence number.
type iterator struct {
	after  string
	handle string
}

// New returns the stream with this ARN. It asks nothing of DynamoDB.
func New(client Client, streamARN string) *Feed {
	f := &Feed{client: client, arn: streamARN, next: make(map[string]iterator)}
	if a, err := arn.Parse(streamARN); err == nil {
		f.region = a.Region
	}
	return f
}

// ARN implements [eventsource.Feed].
func (f *Feed) ARN() string { return f.arn }

// Shards implements [eventsource.Feed].
func (f *Feed) Shards(ctx context.Context) ([]eventsource.Shard, error) {
	var shards []eventsource.Shard
	listed := make(map[string]bool)
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &f.arn}
	for {
		out, err := limited(ctx, f.client.DescribeStream, in)
		if err != nil {
			return nil, fmt.Errorf("list the shards of stream %q: %w", f.arn, err)
		}
		if out.StreamDescription == nil {
			return nil, fmt.Errorf("list the shards of stream %q: the answer describes none", f.arn)
		}
		for _, s := range out.StreamDescription.Shards {
			id := aws.ToString(s.ShardId)
			if !listed[id] { // a shard that closes between two pages may be on both
				listed[id] = true
				shards = append(shards, eventsource.Shard{ID: id, Parent: aws.ToString(s.ParentShardId)})
			}
		}
		last := aws.ToString(out.StreamDescription.LastEvaluatedShardId)
		if last == "" {
			f.forget(listed)
			return shards, nil
		}
		in = &dynamodbstreams.DescribeStreamInput{StreamArn: &f.arn, ExclusiveStartShardId: &last}
	}
}

// Read implements [eventsource.Feed].
func (f *Feed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	page, err := f.read(ctx, shard, after, limit)
	if err != nil {
		if after != eventsource.Latest {
			f.drop(shard) // a new iterator finds the same position
		}
		return eventsource.Page{}, fmt.Errorf("read shard %q of stream %q after %q: %w", shard, f.arn, after, err)
	}
	return page, nil
}

func (f *Feed) read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	end := time.Now().Add(readWait)
	renewed := 0
	for {
		out, err := f.get(ctx, shard, after, limit)
		if again, err := f.judge(ctx, shard, after, err); err != nil {
			return eventsource.Page{}, err
		} else if again {
			if renewed++; renewed > maxRenewed {
				return eventsource.Page{}, errors.New("every iterator was expired or trimmed at once")
			}
			f.drop(shard)
			continue
		}
		records := make([]eventsource.FeedRecord, len(out.Records))
		for i, r := range out.Records {
			if records[i], err = f.record(r); err != nil {
				return eventsource.Page{}, err
			}
		}
		page := eventsource.Page{Records: records, End: out.NextShardIterator == nil}
		if len(records) > 0 {
			after = records[len(records)-1].Sequence
		}
		if page.End {
			f.drop(shard)
			return page, nil
		}
		f.keep(shard, iterator{after: after, handle: *out.NextShardIterator})
		if len(records) > 0 {
			return page, nil
		}
		if !wait(ctx, min(pollEvery, time.Until(end))) || !time.Now().Before(end) {
			return page, nil
		}
	}
}

// get makes one GetRecords call at a position.
func (f *Feed) get(ctx context.Context, shard, after string, limit int) (*dynamodbstreams.GetRecordsOutput, error) {
	handle, err := f.handle(ctx, shard, after)
	if err != nil {
		return nil, err
	}
	return limited(ctx, f.client.GetRecords, &dynamodbstreams.GetRecordsInput{
		ShardIterator: &handle,
		Limit:         aws.Int32(int32(max(1, min(limit, maxRecords)))),
	})
}

// handle returns the remembered iterator if it stands at the position, or a new
// one.
func (f *Feed) handle(ctx context.Context, shard, after string) (string, error) {
	f.mu.Lock()
	it, ok := f.next[shard]
	f.mu.Unlock()
	if ok && it.after == after {
		return it.handle, nil
	}
	in := &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &f.arn, ShardId: &shard,
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &after,
	}
	switch after {
	case "":
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeTrimHorizon, nil
	case eventsource.Latest:
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeLatest, nil
	}
	out, err := limited(ctx, f.client.GetShardIterator, in)
	if err != nil {
		return "", err
	}
	handle := aws.ToString(out.ShardIterator)
	if after == eventsource.Latest {
		f.keep(shard, iterator{after: after, handle: handle}) // what comes from now on is this reader's
	}
	return handle, nil
}

// limited makes one call, within its limit.
func limited[In, Out any](ctx context.Context, call func(context.Context, In, ...func(*dynamodbstreams.Options)) (Out, error), in In) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return call(ctx, in)
}

// judge says what an error of a read means: that another iterator is needed, an
// ErrTrimmed, or itself.
func (f *Feed) judge(ctx context.Context, shard, after string, err error) (again bool, _ error) {
	if err == nil {
		return false, nil
	}
	if _, ok := errors.AsType[*types.ExpiredIteratorException](err); ok {
		return true, nil
	}
	if _, ok := errors.AsType[*types.TrimmedDataAccessException](err); ok {
		if after == "" || after == eventsource.Latest {
			// The horizon moved between the iterator and its use.
			return true, nil
		}
		return false, fmt.Errorf("%w: %w", eventsource.ErrTrimmed, err)
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		// The shard is gone, or the whole stream. Only the first may end a shard.
		gone, listErr := f.gone(ctx, shard)
		if listErr == nil && gone {
			return false, fmt.Errorf("%w: %w", eventsource.ErrTrimmed, err)
		}
	}
	return false, err
}

// gone reports whether the stream, which exists, does not have the shard.
func (f *Feed) gone(ctx context.Context, shard string) (bool, error) {
	shards, err := f.Shards(ctx)
	for _, s := range shards {
		if s.ID == shard {
			return false, nil
		}
	}
	return true, err
}

func (f *Feed) keep(shard string, it iterator) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next[shard] = it
}

func (f *Feed) drop(shard string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.next, shard)
}

// forget drops the iterators of shards that are not listed.
func (f *Feed) forget(listed map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for shard := range f.next {
		if !listed[shard] {
			delete(f.next, shard)
		}
	}
}

// wait waits d. It returns false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
