package streamfeed

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

const (
	testARN    = "arn:aws:dynamodb:eu-west-1:123456789012:table/records/stream/2026-01-01T00:00:00.000"
	testExpiry = 15 * time.Minute // of iterators
	pageShards = 2                // of one DescribeStream
)

// fakeStream is a DynamoDB stream in memory, with parents of shards, retention
// and iterators that expire. An iterator is "shard:index:created".
type fakeStream struct {
	mu     sync.Mutex
	gone   bool
	shards []*fakeShard
	calls  []string         // operation and its argument
	polls  []time.Time      // of GetRecords
	fails  map[string]error // by operation, once
	trims  int              // number of new iterators that are trimmed at once
	hangs  string           // operation that gets no response
}

type fakeShard struct {
	id, parent string
	records    []types.Record
	trimmed    int
	closed     bool
}

func (f *fakeStream) add(shard string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.shard(shard)
	for range n {
		i := len(s.records)
		s.records = append(s.records, types.Record{
			EventID: aws.String(fmt.Sprint(shard, "/", i)), EventName: types.OperationTypeInsert, EventVersion: aws.String("1.1"),
			Dynamodb: &types.StreamRecord{
				SequenceNumber: aws.String(sequence(i)), StreamViewType: types.StreamViewTypeNewAndOldImages,
				ApproximateCreationDateTime: aws.Time(time.Unix(1767323045, 0)),
				Keys:                        map[string]types.AttributeValue{"PK": &types.AttributeValueMemberS{Value: fmt.Sprint("k", i)}},
			},
		})
	}
}

func sequence(i int) string { return fmt.Sprintf("1%05d", i) }

func (f *fakeStream) shard(id string) *fakeShard {
	for _, s := range f.shards {
		if s.id == id {
			return s
		}
	}
	return nil
}

// call records a call and returns the error that it must fail with.
func (f *fakeStream) call(ctx context.Context, operation, detail string) error {
	if f.hangs == operation {
		<-ctx.Done()
		return ctx.Err()
	}
	f.calls = append(f.calls, strings.TrimSpace(operation+" "+detail))
	err := f.fails[operation]
	delete(f.fails, operation)
	if err == nil && f.gone {
		err = &types.ResourceNotFoundException{Message: aws.String("Stream not found")}
	}
	return err
}

func (f *fakeStream) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if strings.HasPrefix(c, operation) {
			n++
		}
	}
	return n
}

func (f *fakeStream) DescribeStream(ctx context.Context, in *dynamodbstreams.DescribeStreamInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(ctx, "DescribeStream", aws.ToString(in.ExclusiveStartShardId)); err != nil {
		return nil, err
	}
	from := 1 + slices.IndexFunc(f.shards, func(s *fakeShard) bool { return s.id == aws.ToString(in.ExclusiveStartShardId) })
	d := &types.StreamDescription{}
	for _, s := range f.shards[from:] {
		if len(d.Shards) == pageShards {
			d.LastEvaluatedShardId = d.Shards[pageShards-1].ShardId
			break
		}
		shard := types.Shard{ShardId: aws.String(s.id)}
		if s.parent != "" {
			shard.ParentShardId = aws.String(s.parent)
		}
		d.Shards = append(d.Shards, shard)
	}
	return &dynamodbstreams.DescribeStreamOutput{StreamDescription: d}, nil
}

func (f *fakeStream) GetShardIterator(ctx context.Context, in *dynamodbstreams.GetShardIteratorInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(ctx, "GetShardIterator", string(in.ShardIteratorType)+" "+aws.ToString(in.SequenceNumber)); err != nil {
		return nil, err
	}
	s := f.shard(*in.ShardId)
	if s == nil {
		return nil, &types.ResourceNotFoundException{Message: aws.String("Shard does not exist")}
	}
	at := s.trimmed
	if in.ShardIteratorType == types.ShardIteratorTypeAfterSequenceNumber {
		at = 1 + slices.IndexFunc(s.records, func(r types.Record) bool { return *r.Dynamodb.SequenceNumber == *in.SequenceNumber })
		if at <= s.trimmed && s.trimmed > 0 {
			return nil, &types.TrimmedDataAccessException{Message: aws.String("sequence number is too old")}
		}
	}
	if f.trims > 0 {
		f.trims--
		at = -1
	}
	return &dynamodbstreams.GetShardIteratorOutput{ShardIterator: handle(s.id, at)}, nil
}

func handle(shard string, at int) *string {
	return aws.String(fmt.Sprintf("%s:%d:%d", shard, at, time.Now().UnixNano()))
}

func (f *fakeStream) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(ctx, "GetRecords", strconv.Itoa(int(*in.Limit))); err != nil {
		return nil, err
	}
	f.polls = append(f.polls, time.Now())
	parts := strings.Split(*in.ShardIterator, ":")
	at, _ := strconv.Atoi(parts[1])
	created, _ := strconv.ParseInt(parts[2], 10, 64)
	s := f.shard(parts[0])
	switch {
	case time.Since(time.Unix(0, created)) > testExpiry:
		return nil, &types.ExpiredIteratorException{Message: aws.String("Iterator expired")}
	case at < s.trimmed:
		return nil, &types.TrimmedDataAccessException{Message: aws.String("data is trimmed")}
	}
	end := min(at+int(*in.Limit), len(s.records))
	out := &dynamodbstreams.GetRecordsOutput{Records: s.records[at:end]}
	if !s.closed || end < len(s.records) {
		out.NextShardIterator = handle(s.id, end)
	}
	return out, nil
}
