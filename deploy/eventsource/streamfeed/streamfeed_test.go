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

func TestShardsOfEveryPage(t *testing.T) {
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

// readAll reads a shard to its end, or until a page is empty.
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
		{name: "latest", after: eventsource.Latest},
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
					t.Errorf("got %q, end %v; want %q, end %v", got, end, tt.want, tt.closed)
				}
				if n := stream.count("GetShardIterator"); n != 1 {
					t.Errorf("%d iterators were asked for, want 1: pages follow each other", n)
				}
			})
		})
	}
}

// TestReadWaits: an empty shard costs four calls a second, and a record that
// comes while a read waits is returned by it.
func TestReadWaits(t *testing.T) {
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
				t.Errorf("poll %d came %v after the one before, want %v", i, d, pollEvery)
			}
		}
		if n := len(stream.polls); n != 12 {
			t.Errorf("%d polls in 3 s, want 12", n)
		}
		time.AfterFunc(readWait/2, func() { stream.add("s", 1) })
		page, err := feed.Read(t.Context(), "s", "", 10)
		if err != nil || len(page.Records) != 1 {
			t.Errorf("got %v, %v; want the record that came", page, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		start = time.Now()
		_, _ = feed.Read(ctx, "s", sequence(0), 10)
		if d := time.Since(start); d != 10*time.Millisecond {
			t.Errorf("a read went on for %v, its context ended after 10ms", d)
		}
	})
}

// TestExpiredIterators: what expired is renewed at the same position, nothing is
// skipped and nothing comes twice.
func TestExpiredIterators(t *testing.T) {
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
			t.Errorf("after the iterator expired: %q, want %q", got, sequences(2, 4))
		}
		// Another position than the remembered one needs an iterator of its own.
		if got, _ := readAll(t, feed, "s", sequence(0), 2); !slices.Equal(got, sequences(1, 4)) {
			t.Errorf("read back: %q, want %q", got, sequences(1, 4))
		}
	})
}

func TestTrimmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "s"}, &fakeShard{id: "other"})
		stream.add("s", 6)
		// Trimmed behind a remembered iterator, and behind a new one.
		if _, err := feed.Read(t.Context(), "s", "", 2); err != nil {
			t.Fatal(err)
		}
		stream.shards[0].trimmed = 4
		for range 2 {
			if _, err := feed.Read(t.Context(), "s", sequence(1), 2); !errors.Is(err, eventsource.ErrTrimmed) {
				t.Errorf("after a trimmed record: %v, want ErrTrimmed", err)
			}
		}
		// The oldest is always there, also when it moves while it is asked for.
		stream.trims = 2
		if got, _ := readAll(t, feed, "s", "", 10); !slices.Equal(got, sequences(4, 6)) {
			t.Errorf("from the oldest: %q, want %q", got, sequences(4, 6))
		}
		stream.trims = 100
		feed.drop("s")
		if _, err := feed.Read(t.Context(), "s", "", 2); err == nil || errors.Is(err, eventsource.ErrTrimmed) {
			t.Errorf("a horizon that always moves: %v, want an error that is not ErrTrimmed: it would end the shard", err)
		}
	})
}

// TestGone: a shard that the stream no longer has is trimmed as a whole. A
// stream that is not there says nothing about its shards.
func TestGone(t *testing.T) {
	t.Parallel()
	stream, feed := open(&fakeShard{id: "s"})
	if _, err := feed.Read(t.Context(), "old", "", 2); !errors.Is(err, eventsource.ErrTrimmed) {
		t.Errorf("a shard that is gone: %v, want ErrTrimmed", err)
	}
	stream.fails["GetShardIterator"] = &types.ResourceNotFoundException{Message: aws.String("not yet")}
	if _, err := feed.Read(t.Context(), "s", "", 2); err == nil || errors.Is(err, eventsource.ErrTrimmed) {
		t.Errorf("a shard that is listed: %v, want an error that is not ErrTrimmed", err)
	}
	stream.gone = true
	_, err := feed.Read(t.Context(), "s", "", 2)
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || errors.Is(err, eventsource.ErrTrimmed) {
		t.Errorf("a stream that is gone: %v, want ResourceNotFoundException that is not ErrTrimmed", err)
	}
}

// TestFailedReadStartsAnew: after an error the next read asks for a new
// iterator, and finds all records.
func TestFailedReadStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, feed := open(&fakeShard{id: "s"})
		stream.add("s", 3)
		throttled := &types.LimitExceededException{Message: aws.String("slow down")}
		for _, operation := range []string{"GetShardIterator", "GetRecords"} {
			stream.fails[operation] = throttled
			if _, err := feed.Read(t.Context(), "s", "", 10); !errors.Is(err, throttled) {
				t.Errorf("%s: %v, want the client's error", operation, err)
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
			t.Errorf("%d new iterators after a failed read, want 1", n)
		}
	})
}

// TestShardOnTwoPages: a shard that closes while the pages are read may be on
// both; it is one.
func TestShardOnTwoPages(t *testing.T) {
	t.Parallel()
	_, feed := open(&fakeShard{id: "a"}, &fakeShard{id: "b"}, &fakeShard{id: "a"})
	if got, err := feed.Shards(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v; want a and b", got, err)
	}
}

func TestLimitOfOneCall(t *testing.T) {
	t.Parallel()
	stream, feed := open(&fakeShard{id: "s", closed: true})
	for _, limit := range []int{-1, 1, 10_000} {
		if _, err := feed.Read(t.Context(), "s", "", limit); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range []string{"GetRecords 1", "GetRecords 1000"} {
		if !slices.Contains(stream.calls, call) {
			t.Errorf("calls: %q, want %q among them", stream.calls, call)
		}
	}
}

// TestIteratorsDoNotPileUp: a shard that is read to its end or no longer listed
// leaves nothing behind.
func TestIteratorsDoNotPileUp(t *testing.T) {
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
			t.Errorf("remembered: %v, want the open shard alone", feed.next)
		}
	})
}

// TestLatestKeepsItsPlace: a read at the latest that fails, at any call, skips
// nothing of what was written after the place was found.
func TestLatestKeepsItsPlace(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			stream, feed := open(&fakeShard{id: "s"})
			stream.add("s", 2)
			throttled := &types.LimitExceededException{Message: aws.String("slow down")}
			if first { // the very first GetRecords
				stream.fails["GetRecords"] = throttled
				if _, err := feed.Read(t.Context(), "s", eventsource.Latest, 10); err == nil {
					t.Fatal("no error")
				}
			} else if page, err := feed.Read(t.Context(), "s", eventsource.Latest, 10); err != nil || len(page.Records) != 0 {
				t.Fatal(page, err)
			}
			stream.add("s", 3)
			for range 3 {
				stream.fails["GetRecords"] = throttled
				if _, err := feed.Read(t.Context(), "s", eventsource.Latest, 10); err == nil {
					t.Fatal("no error")
				}
			}
			if got, _ := readAll(t, feed, "s", eventsource.Latest, 2); !slices.Equal(got, sequences(2, 5)) {
				t.Errorf("failed at first %v: got %q, want %q", first, got, sequences(2, 5))
			}
		})
	}
}

// TestCallsHaveALimit: no call without an answer holds a reader for ever.
func TestCallsHaveALimit(t *testing.T) {
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
				t.Errorf("%s: %v after %v, want its limit of %v", operation, err, took, callLimit)
			}
		})
	}
}
