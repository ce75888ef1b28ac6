package leases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// stream is a feed in memory: shards that split, records with numbers that only
// grow.
type stream struct {
	mu     sync.Mutex
	shards []*streamShard
	made   int
}

type streamShard struct {
	eventsource.Shard
	numbers []int
	closed  bool
}

func newStream(shards int) *stream {
	s := &stream{}
	for i := range shards {
		s.shards = append(s.shards, &streamShard{Shard: eventsource.Shard{ID: fmt.Sprint("shard-", i)}})
	}
	return s
}

// write adds a record to an open shard.
func (s *stream) write(r *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		shard := s.shards[r.IntN(len(s.shards))]
		if !shard.closed {
			s.made++
			shard.numbers = append(shard.numbers, s.made)
			return
		}
	}
}

// split closes an open shard, and opens two children.
func (s *stream) split() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shard := range s.shards {
		if !shard.closed {
			shard.closed = true
			for range 2 {
				s.shards = append(s.shards, &streamShard{Shard: eventsource.Shard{ID: fmt.Sprint("shard-", len(s.shards)), Parent: shard.ID}})
			}
			return
		}
	}
}

// parent returns the parent of a shard and all its records.
func (s *stream) parent(id string) (parent string, numbers []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shard := range s.shards {
		if shard.ID == id {
			parent = shard.Parent
		}
	}
	for _, shard := range s.shards {
		if shard.ID == parent {
			numbers = slices.Clone(shard.numbers)
		}
	}
	return parent, numbers
}

func (s *stream) page(id, after string, limit int) eventsource.Page {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := strconv.Atoi(after)
	for _, shard := range s.shards {
		if shard.ID != id {
			continue
		}
		var p eventsource.Page
		last := 0
		for _, number := range shard.numbers {
			if number > n && len(p.Records) < limit {
				last = number
				p.Records = append(p.Records, eventsource.FeedRecord{
					Sequence: strconv.Itoa(number), Key: id, JSON: fmt.Appendf(nil, `{"shard":%q,"n":%d}`, id, number),
				})
			}
		}
		p.End = shard.closed && (len(shard.numbers) == 0 || max(last, n) == shard.numbers[len(shard.numbers)-1])
		return p
	}
	return eventsource.Page{}
}

// sleepyFeed is one copy's way to the stream: it sleeps with its copy.
type sleepyFeed struct {
	*stream
	gate *gate
}

func (f sleepyFeed) ARN() string { return testFeed }

func (f sleepyFeed) Shards(ctx context.Context) ([]eventsource.Shard, error) {
	if err := f.gate.pass(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []eventsource.Shard
	for _, s := range f.shards {
		all = append(all, s.Shard)
	}
	return all, nil
}

func (f sleepyFeed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	end := time.Now().Add(time.Second)
	for {
		if err := f.gate.pass(ctx); err != nil {
			return eventsource.Page{}, err
		}
		if p := f.page(shard, after, limit); len(p.Records) > 0 || p.End || !time.Now().Before(end) {
			return p, nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return eventsource.Page{}, ctx.Err()
		}
	}
}

// ledger is what the copies did.
type ledger struct {
	t      *testing.T
	stream *stream // may be nil: then parents are not looked at
	mu     sync.Mutex
	done   map[int]int
	last   map[string]int // by shard: the highest number
}

func (l *ledger) note(shard string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done[n]++; l.done[n] == 1 {
		if n < l.last[shard] {
			l.t.Errorf("record %d of %s was first done after record %d: they came out of order", n, shard, l.last[shard])
		}
		l.last[shard] = n
		if l.stream != nil {
			l.checkParent(shard, n)
		}
	}
}

// checkParent sees to it that all of a shard's parent was done before the shard's
// first record, by whichever copies. The caller holds l.mu.
func (l *ledger) checkParent(shard string, n int) {
	parent, numbers := l.stream.parent(shard)
	for _, before := range numbers {
		if l.done[before] == 0 {
			l.t.Errorf("record %d of %s was done before record %d of its parent %s", n, shard, before, parent)
			return
		}
	}
}

// watched is a table that sees to it that no checkpoint goes back.
type watched struct {
	tabletest.Memory
	t  *testing.T
	mu sync.Mutex
	at map[string]string
}

func (w *watched) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stored, err := w.Memory.Put(ctx, it, c)
	if shard, _ := kindOf(it.Key.SK); err == nil && shard != "" {
		var l lease
		if err := it.Decode(&l); err != nil {
			w.t.Error(err)
		}
		before, now := w.at[shard], l.Checkpoint
		from, _ := strconv.Atoi(before)
		to, _ := strconv.Atoi(now)
		if now != eventsource.ShardEnd && (before == eventsource.ShardEnd || to < from) {
			w.t.Errorf("the checkpoint of %s went back from %s to %s", shard, before, now)
		}
		w.at[shard] = now
	}
	return stored, err
}

// reader is a copy with its mapping.
type reader struct {
	*copyOf
	end func() // in good order
}

func startReader(t *testing.T, table pipeline.Table, s *stream, l *ledger, name string) *reader {
	t.Helper()
	c := start(t, table, name, Options{})
	mapping := &eventsource.FeedMapping{
		Feed: sleepyFeed{s, c.gate}, Checkpoints: c, FunctionName: "changes", Timeout: 10 * time.Minute, BatchSize: batchSize,
		Function: func(ctx context.Context, payload []byte) ([]byte, error) {
			var event struct {
				Records []struct {
					Shard string
					N     int
				}
			}
			if err := json.Unmarshal(payload, &event); err != nil {
				return nil, err
			}
			for _, r := range event.Records {
				if err := c.gate.pass(ctx); err != nil {
					return nil, err
				}
				time.Sleep(10 * time.Millisecond)
				l.note(r.Shard, r.N)
			}
			return nil, nil
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mapping.Run(ctx); err != nil {
			if _, left := errors.AsType[*eventsource.LeftError](err); !left {
				t.Errorf("%s: %v", name, err)
			}
		}
	}()
	end := sync.OnceFunc(func() { cancel(); <-done; c.stop() })
	t.Cleanup(func() {
		c.gate.open()
		end()
	})
	return &reader{copyOf: c, end: end}
}

const batchSize = 10

// TestMappingsShareAStream: three mappings read a stream that splits, while they
// die, sleep, end and begin by the dice. Every record is done, in its shard's
// order and after all of its shard's parent, hardly any twice, and no checkpoint
// goes back.
func TestMappingsShareAStream(t *testing.T) {
	t.Parallel()
	seeds := uint64(3)
	if os.Getenv("SLUICE_TEST_FULL") != "" {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dice := rand.New(rand.NewPCG(seed, 5))
				s, l := newStream(3), &ledger{t: t, done: make(map[int]int), last: make(map[string]int)}
				l.stream = s
				table := &watched{t: t, at: make(map[string]string)}
				began := 0
				begin := func() *reader {
					began++
					return startReader(t, table, s, l, fmt.Sprint("copy-", began))
				}
				readers := []*reader{begin(), begin(), begin()}
				asleep := make(map[*reader]bool)
				blows := 0
				for range 120 {
					for range dice.IntN(200) {
						s.write(dice)
					}
					time.Sleep(time.Duration(dice.IntN(10_000)) * time.Millisecond)
					i := dice.IntN(len(readers))
					r := readers[i]
					switch dice.IntN(12) {
					case 0: // it dies: nothing of it is ever heard again
						r.gate.close()
						readers[i] = begin()
						blows++
					case 1, 2, 3: // it sleeps, or wakes
						if asleep[r] {
							r.gate.open()
						} else {
							r.gate.close()
							blows++
						}
						asleep[r] = !asleep[r]
					case 4:
						if !asleep[r] {
							r.end()
							readers[i] = begin()
						}
					case 5:
						s.split()
					}
				}
				for r := range asleep {
					r.gate.open()
				}
				time.Sleep(4 * time.Minute)
				twice := 0
				for n := 1; n <= s.made; n++ {
					if l.done[n] == 0 {
						t.Errorf("record %d of %d was never done", n, s.made)
					}
					twice += max(0, l.done[n]-1)
				}
				// A copy that dies or falls asleep has a batch in hand of the shards that
				// had records just then: of about one shard each time. One that read on
				// after its sleep would do hundreds again.
				if most := blows * batchSize / 2; twice > most || s.made < 1000 {
					t.Errorf("%d of %d records were done twice after %d blows, at most %d may be", twice, s.made, blows, most)
				}
				t.Logf("%d records, %d shards, %d copies, %d blows: %d done twice", s.made, len(s.shards), began, blows, twice)
			})
		})
	}
}
