package streamfeed

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"sluice/deploy/eventsource"
)

func open(shards ...*fakeShard) (*fakeStream, *Feed) {
	f := &fakeStream{shards: shards, fails: make(map[string]error)}
	return f, New(f, testARN)
}

func TestShardsListsEveryPage(t *testing.T) {
	t.Parallel()
	_, feed := open(&fakeShard{id: "a"}, &fakeShard{id: "b", parent: "a"}, &fakeShard{id: "c", parent: "a"}, &fakeShard{id: "d", parent: "c"}, &fakeShard{id: "e"})
	got, err := feed.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []eventsource.Shard{{ID: "a"}, {ID: "b", Parent: "a"}, {ID: "c", Parent: "a"}, {ID: "d", Parent: "c"}, {ID: "e"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// readAll reads a shard until its end or an empty page.
func readAll(t *testing.T, feed *Feed, shard, after string, limit int) (sequences []string, end bool) {
	t.Helper()
	for {
		page, err := feed.Read(t.Context(), shard, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			sequences = append(sequences, r.Sequence)
			after = r.Sequence
		}
		if page.End || len(page.Records) == 0 {
			return sequences, page.End
		}
	}
}

func sequences(from, to int) []string {
	var s []string
	for i := from; i < to; i++ {
		s = append(s, sequence(i))
	}
	return s
}

func TestReadFromEveryPosition(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, after string
		closed      bool
		want        []string
	}{
		{name: "from the oldest", want: sequences(0, 7)},
		{name: "after a record", after: sequence(2), want: sequences(3, 7)},
		{name: "after the last", after: sequence(6)},
		{name: "closed, from the oldest", closed: true, want: sequences(0, 7)},
		{name: "closed, after the last", after: sequence(6), closed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, feed := open(&fakeShard{id: "s", closed: tt.closed})
				stream.add("s", 7)
				got, end := readAll(t, feed, "s", tt.after, 3)
				if !slices.Equal(got, tt.want) || end != tt.closed {
					t.Errorf("got %q with end %v, want %q with end %v", got, end, tt.want, tt.closed)
				}
				if n := stream.count("GetShardIterator"); n != 1 {
					t.Errorf("new iterators: got %d, want 1 for all pages", n)
				}
			})
		})
	}
}

// TestReadWaitsForARecord: an empty shard costs four calls a second, and a read
// that waits returns a new record.
func TestReadWaitsForARecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "s"})
		start := time.Now()
		for range 3 {
			if page, err := feed.Read(t.Context(), "s", "", 10); err != nil || len(page.Records) != 0 {
				t.Fatal(page, err)
			}
		}
		if d := time.Since(start); d != 3*readWait {
			t.Errorf("three empty pages took %v, want %v", d, 3*readWait)
		}
		for i := 1; i < len(stream.polls); i++ {
			if d := stream.polls[i].Sub(stream.polls[i-1]); d < pollEvery {
				t.Errorf("poll %d: got %v after the previous one, want %v", i, d, pollEvery)
			}
		}
		if n := len(stream.polls); n != 12 {
			t.Errorf("polls in 3 s: got %d, want 12", n)
		}
		time.AfterFunc(readWait/2, func() { stream.add("s", 1) })
		page, err := feed.Read(t.Context(), "s", "", 10)
		if err != nil || len(page.Records) != 1 {
			t.Errorf("got %v, %v; want the new record", page, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		start = time.Now()
		_, _ = feed.Read(ctx, "s", sequence(0), 10)
		if d := time.Since(start); d != 10*time.Millisecond {
			t.Errorf("read returned after %v, want 10ms: its context ended", d)
		}
	})
}

// TestExpiredIteratorIsRenewedAtItsPosition: no record is skipped and none is
// read twice.
func TestExpiredIteratorIsRenewedAtItsPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "s"})
		stream.add("s", 4)
		page, err := feed.Read(t.Context(), "s", "", 2)
		if err != nil || len(page.Records) != 2 {
			t.Fatal(page, err)
		}
		time.Sleep(testExpiry + time.Second)
		if got, _ := readAll(t, feed, "s", sequence(1), 2); !slices.Equal(got, sequences(2, 4)) {
			t.Errorf("after the iterator expired: got %q, want %q", got, sequences(2, 4))
		}
		// Another position than the kept one needs a new iterator.
		if got, _ := readAll(t, feed, "s", sequence(0), 2); !slices.Equal(got, sequences(1, 4)) {
			t.Errorf("from an earlier position: got %q, want %q", got, sequences(1, 4))
		}
	})
}

func TestReadAfterTrimmedRecordsIsErrTrimmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "s"}, &fakeShard{id: "other"})
		stream.add("s", 6)
		// With the kept iterator, and with a new one.
		if _, err := feed.Read(t.Context(), "s", "", 2); err != nil {
			t.Fatal(err)
		}
		stream.shards[0].trimmed = 4
		for range 2 {
			if _, err := feed.Read(t.Context(), "s", sequence(1), 2); !errors.Is(err, eventsource.ErrTrimmed) {
				t.Errorf("after a trimmed record: got %v, want ErrTrimmed", err)
			}
		}
		// The oldest record can always be read, also if it is trimmed
		// meanwhile.
		stream.trims = 2
		if got, _ := readAll(t, feed, "s", "", 10); !slices.Equal(got, sequences(4, 6)) {
			t.Errorf("from the oldest record: got %q, want %q", got, sequences(4, 6))
		}
		stream.trims = 100
		feed.drop("s")
		if _, err := feed.Read(t.Context(), "s", "", 2); err == nil || errors.Is(err, eventsource.ErrTrimmed) {
			t.Errorf("every iterator is trimmed: got %v, want an error that is not ErrTrimmed, which would end the shard", err)
		}
	})
}

// TestReadOfAShardThatIsGoneIsErrTrimmed: a shard that is not listed is
// trimmed. A stream that is gone says nothing about its shards.
func TestReadOfAShardThatIsGoneIsErrTrimmed(t *testing.T) {
	t.Parallel()
	stream, feed := open(&fakeShard{id: "s"})
	if _, err := feed.Read(t.Context(), "old", "", 2); !errors.Is(err, eventsource.ErrTrimmed) {
		t.Errorf("shard that is gone: got %v, want ErrTrimmed", err)
	}
	stream.fails["GetShardIterator"] = &types.ResourceNotFoundException{Message: aws.String("not yet")}
	if _, err := feed.Read(t.Context(), "s", "", 2); err == nil || errors.Is(err, eventsource.ErrTrimmed) {
		t.Errorf("shard that is listed: got %v, want an error that is not ErrTrimmed", err)
	}
	stream.gone = true
	_, err := feed.Read(t.Context(), "s", "", 2)
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || errors.Is(err, eventsource.ErrTrimmed) {
		t.Errorf("stream that is gone: got %v, want a ResourceNotFoundException that is not ErrTrimmed", err)
	}
}

// TestReadAfterAnErrorUsesANewIterator: it returns all records.
func TestReadAfterAnErrorUsesANewIterator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "s"})
		stream.add("s", 3)
		throttled := &types.LimitExceededException{Message: aws.String("slow down")}
		for _, operation := range []string{"GetShardIterator", "GetRecords"} {
			stream.fails[operation] = throttled
			if _, err := feed.Read(t.Context(), "s", "", 10); !errors.Is(err, throttled) {
				t.Errorf("%s: got %v, want the client's error", operation, err)
			}
		}
		if got, _ := readAll(t, feed, "s", "", 10); !slices.Equal(got, sequences(0, 3)) {
			t.Errorf("got %q, want %q", got, sequences(0, 3))
		}
		before := stream.count("GetShardIterator")
		stream.fails["GetRecords"] = throttled
		for range 2 {
			_, _ = feed.Read(t.Context(), "s", sequence(2), 10)
		}
		if n := stream.count("GetShardIterator") - before; n != 1 {
			t.Errorf("new iterators after a failed read: got %d, want 1", n)
		}
	})
}

// TestShardOnTwoPagesIsListedOnce: a shard that closes while the pages are read
// may be on two of them.
func TestShardOnTwoPagesIsListedOnce(t *testing.T) {
	t.Parallel()
	_, feed := open(&fakeShard{id: "a"}, &fakeShard{id: "b"}, &fakeShard{id: "a"})
	if got, err := feed.Shards(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v; want a and b", got, err)
	}
}

func TestReadLimitsGetRecords(t *testing.T) {
	t.Parallel()
	stream, feed := open(&fakeShard{id: "s", closed: true})
	for _, limit := range []int{-1, 1, 10_000} {
		if _, err := feed.Read(t.Context(), "s", "", limit); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range []string{"GetRecords 1", "GetRecords 1000"} {
		if !slices.Contains(stream.calls, call) {
			t.Errorf("calls: got %q, want %q among them", stream.calls, call)
		}
	}
}

// TestFeedKeepsIteratorsOfOpenShardsOnly: a shard that is read to its end or no
// longer listed has none.
func TestFeedKeepsIteratorsOfOpenShardsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "open"}, &fakeShard{id: "closed", closed: true}, &fakeShard{id: "old"})
		for _, s := range stream.shards {
			stream.add(s.id, 1)
			readAll(t, feed, s.id, "", 10)
		}
		stream.shards = stream.shards[:2]
		if _, err := feed.Shards(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(feed.next) != 1 || feed.next["open"].after != sequence(0) {
			t.Errorf("iterators: got %v, want that of the open shard", feed.next)
		}
	})
}

// TestCallsTimeOut: a call without a response does not block a reader forever.
func TestCallsTimeOut(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"DescribeStream", "GetShardIterator", "GetRecords"} {
		synctest.Test(t, func(t *testing.T) {
			stream, feed := open(&fakeShard{id: "s"})
			stream.hangs = operation
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			began := time.Now()
			var err error
			if operation == "DescribeStream" {
				_, err = feed.Shards(ctx)
			} else {
				_, err = feed.Read(ctx, "s", "", 10)
			}
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != callLimit {
				t.Errorf("%s: got %v after %v, want a timeout after %v", operation, err, took, callLimit)
			}
		})
	}
}
