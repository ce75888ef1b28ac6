package eventsource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const streamARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/records/stream/2026-01-01T00:00:00.000"

// fakeFeed is a feed in memory, with parents of shards, retention and long
// polls. The sequence numbers of all shards are a, b, c and so on.
type fakeFeed struct {
	failRead   func() error
	failShards func() error

	mu      sync.Mutex
	shards  []*fakeShard
	changed chan struct{}
	added   int
	reads   []string // shard:after of each Read
}

type fakeShard struct {
	Shard
	records []FeedRecord
	trimmed int // number of the first records that are gone
	closed  bool
	gone    bool
}

func newFakeFeed(shards ...Shard) *fakeFeed {
	f := &fakeFeed{changed: make(chan struct{})}
	for _, s := range shards {
		f.shards = append(f.shards, &fakeShard{Shard: s})
	}
	return f
}

func (f *fakeFeed) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeFeed) shard(id string) *fakeShard {
	for _, s := range f.shards {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// add appends records with these keys to a shard.
func (f *fakeFeed) add(shard string, keys ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		f.append(shard, k, time.Now(), 0)
	}
	f.notify()
}

func (f *fakeFeed) append(shard, key string, at time.Time, padding int) {
	s := f.shard(shard)
	sequence := string(rune('a' + f.added))
	f.added++
	s.records = append(s.records, FeedRecord{
		Sequence: sequence, Key: key, At: at,
		JSON: fmt.Appendf(nil, `{"eventName":"INSERT","dynamodb":{"SequenceNumber":%q,"Keys":{"pk":{"S":%q}},"pad":"%s"}}`,
			sequence, key, strings.Repeat("x", padding)),
	})
}

func (f *fakeFeed) close(shard string, children ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shard(shard).closed = true
	for _, c := range children {
		f.shards = append(f.shards, &fakeShard{Shard: Shard{ID: c, Parent: shard}})
	}
	f.notify()
}

func (f *fakeFeed) trim(shard string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shard(shard).trimmed = n
}

func (f *fakeFeed) readsSoFar() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reads)
}

func (f *fakeFeed) ARN() string { return streamARN }

func (f *fakeFeed) Shards(context.Context) ([]Shard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failShards != nil {
		if err := f.failShards(); err != nil {
			return nil, err
		}
	}
	var out []Shard
	for _, s := range slices.Backward(f.shards) { // children first: the order does not matter
		out = append(out, s.Shard)
	}
	return out, nil
}

func (f *fakeFeed) Read(ctx context.Context, shard, after string, limit int) (Page, error) {
	f.mu.Lock()
	f.reads = append(f.reads, shard+":"+after)
	s := f.shard(shard)
	at, err := 0, error(ErrTrimmed)
	if !s.gone {
		at, err = f.position(s, after)
	}
	f.mu.Unlock()
	if err != nil {
		return Page{}, err
	}
	wait := time.NewTimer(time.Second)
	defer wait.Stop()
	for {
		f.mu.Lock()
		if f.failRead != nil {
			if err := f.failRead(); err != nil {
				f.mu.Unlock()
				return Page{}, err
			}
		}
		page := Page{Records: slices.Clone(s.records[at:min(at+limit, len(s.records))])}
		page.End = s.closed && at+len(page.Records) == len(s.records)
		changed := f.changed
		f.mu.Unlock()
		if len(page.Records) > 0 || page.End {
			return page, nil
		}
		select {
		case <-changed:
		case <-wait.C:
			return page, nil
		case <-ctx.Done():
			return Page{}, ctx.Err()
		}
	}
}

// position returns the index of the first record after a sequence number.
func (f *fakeFeed) position(s *fakeShard, after string) (int, error) {
	if after == "" {
		return s.trimmed, nil
	}
	i := slices.IndexFunc(s.records, func(r FeedRecord) bool { return r.Sequence == after })
	if i+1 < s.trimmed {
		return 0, fmt.Errorf("after %q: %w", after, ErrTrimmed)
	}
	return i + 1, nil
}

// fakeCheckpoints are checkpoints in memory, with faults.
type fakeCheckpoints struct {
	failLoad func(shard string) error
	failSave func(shard, after string) error
	careless bool // saves succeed although their context has ended
	hangs    bool // saves get no response

	mu    sync.Mutex
	at    map[string]string
	saves []string // shard:after
}

func newFakeCheckpoints() *fakeCheckpoints { return &fakeCheckpoints{at: make(map[string]string)} }

func (c *fakeCheckpoints) Load(_ context.Context, shard string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failLoad != nil {
		if err := c.failLoad(shard); err != nil {
			return "", err
		}
	}
	return c.at[shard], nil
}

func (c *fakeCheckpoints) Save(ctx context.Context, shard, after string) error {
	if c.hangs {
		<-ctx.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil && !c.careless {
		return err
	}
	if c.failSave != nil {
		if err := c.failSave(shard, after); err != nil {
			return err
		}
	}
	c.at[shard] = after
	c.saves = append(c.saves, shard+":"+after)
	return nil
}

func (c *fakeCheckpoints) get(shard string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[shard]
}

func (c *fakeCheckpoints) all() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.at)
}

// feedMapping returns a mapping with ReportBatchItemFailures and its feed,
// which has one shard, s.
func feedMapping(t *testing.T, r *recorder) (*FeedMapping, *fakeFeed, *fakeCheckpoints) {
	t.Helper()
	f, c := newFakeFeed(Shard{ID: "s"}), newFakeCheckpoints()
	return &FeedMapping{
		Feed: f, Checkpoints: c, Function: r.Invoke, FunctionName: "changes",
		Timeout: 10 * time.Second, ReportBatchItemFailures: true,
	}, f, c
}
