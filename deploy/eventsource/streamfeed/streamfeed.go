// Package streamfeed reads a DynamoDB stream as an [eventsource.Feed]: its
// shards with their parents, and its records in Lambda's JSON.
package streamfeed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"sluice/deploy/eventsource"
)

// Client is the part of *dynamodbstreams.Client that a feed uses. The client's
// own retries pace throttled calls.
type Client interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

var _ Client = (*dynamodbstreams.Client)(nil)

const (
	readWait   = time.Second            // how long Read waits for a record
	pollEvery  = 250 * time.Millisecond // between empty pages: four calls a second and shard, as Lambda makes
	maxRecords = 1000                   // of one GetRecords call
	callLimit  = 15 * time.Second       // of one call and its retries
	maxRenewed = 3                      // expired or trimmed iterators that one Read replaces
)

// A Feed is one DynamoDB stream. It is safe for concurrent use.
//
// It keeps one iterator per shard, so that the next page costs one call. An
// iterator expires after 15 minutes; the feed then gets one at the same
// position. A call without a response fails after 15 s.
//
// A stream that was disabled can be read for a day. A stream that is enabled
// again has a new ARN and needs a new Feed.
type Feed struct {
	client Client
	arn    string
	region string

	mu   sync.Mutex
	next map[string]iterator // by shard: where its last Read ended
}

var _ eventsource.Feed = (*Feed)(nil)

// iterator is DynamoDB's handle of the position after a sequence number.
type iterator struct {
	after  string
	handle string
}

// New returns the stream with this ARN. It makes no calls.
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
			return nil, fmt.Errorf("list the shards of stream %q: the response has no StreamDescription", f.arn)
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
			f.keepListed(listed)
			return shards, nil
		}
		in = &dynamodbstreams.DescribeStreamInput{StreamArn: &f.arn, ExclusiveStartShardId: &last}
	}
}

// Read implements [eventsource.Feed].
func (f *Feed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	page, err := f.read(ctx, shard, after, limit)
	if err != nil {
		f.drop(shard) // a new iterator has the same position
		return eventsource.Page{}, fmt.Errorf("read shard %q of stream %q after %q: %w", shard, f.arn, after, err)
	}
	return page, nil
}

func (f *Feed) read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	end := time.Now().Add(readWait)
	renewed := 0
	for {
		out, err := f.get(ctx, shard, after, limit)
		if renew, err := f.classify(ctx, shard, after, err); err != nil {
			return eventsource.Page{}, err
		} else if renew {
			if renewed++; renewed > maxRenewed {
				return eventsource.Page{}, fmt.Errorf("%d new iterators were expired or trimmed at once", renewed)
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

// handle returns the kept iterator if it has this position, or else a new one.
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
	if after == "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeTrimHorizon, nil
	}
	out, err := limited(ctx, f.client.GetShardIterator, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// limited makes one call, within callLimit.
func limited[In, Out any](ctx context.Context, call func(context.Context, In, ...func(*dynamodbstreams.Options)) (Out, error), in In) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return call(ctx, in)
}

// classify returns what the error of a read means: that the iterator must be
// renewed, an error that wraps ErrTrimmed, or the error itself.
func (f *Feed) classify(ctx context.Context, shard, after string, err error) (renew bool, _ error) {
	if err == nil {
		return false, nil
	}
	if _, ok := errors.AsType[*types.ExpiredIteratorException](err); ok {
		return true, nil
	}
	if _, ok := errors.AsType[*types.TrimmedDataAccessException](err); ok {
		if after == "" {
			// The oldest record was trimmed after the iterator was made.
			return true, nil
		}
		return false, fmt.Errorf("%w: %w", eventsource.ErrTrimmed, err)
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		// Either the shard or the whole stream is gone. Only the former may end
		// the shard.
		gone, listErr := f.gone(ctx, shard)
		if listErr == nil && gone {
			return false, fmt.Errorf("%w: %w", eventsource.ErrTrimmed, err)
		}
	}
	return false, err
}

// gone reports whether the stream exists and does not have the shard.
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

// keepListed drops the iterators of shards that are not listed.
func (f *Feed) keepListed(listed map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.next, func(shard string, _ iterator) bool { return !listed[shard] })
}

// wait waits for d. It returns false if ctx ends first.
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
