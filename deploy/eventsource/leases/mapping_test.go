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

// stream is a feed in memory whose shards split and whose records have
// increasing numbers.
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

// split closes an open shard and adds two children.
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

// parent returns the parent of a shard and the parent's records.
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

// gatedFeed is the stream of one copy. It blocks while the gate of the copy is
// closed.
type gatedFeed struct {
	*stream
	gate *gate
}

func (f gatedFeed) ARN() string { return testFeed }

func (f gatedFeed) Shards(ctx context.Context) ([]eventsource.Shard, error) {
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

func (f gatedFeed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
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

// processed records which records the copies have processed.
type processed struct {
	t      *testing.T
	stream *stream // of the parents; nil checks none
	mu     sync.Mutex
	done   map[int]int
	last   map[string]int // by shard: the highest number
}

func (l *processed) note(shard string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done[n]++; l.done[n] == 1 {
		if n < l.last[shard] {
			l.t.Errorf("record %d of %s: processed after record %d, want the order of the shard", n, shard, l.last[shard])
		}
		l.last[shard] = n
		if l.stream != nil {
			l.checkParent(shard, n)
		}
	}
}

// checkParent checks that the records of a shard's parent were processed before
// those of the shard, by any copies. The caller holds l.mu.
func (l *processed) checkParent(shard string, n int) {
	parent, numbers := l.stream.parent(shard)
	for _, before := range numbers {
		if l.done[before] == 0 {
			l.t.Errorf("record %d of %s: processed before record %d of its parent %s", n, shard, before, parent)
			return
		}
	}
}

// checkedTable is a table that checks that no checkpoint decreases.
type checkedTable struct {
	tabletest.Memory
	t  *testing.T
	mu sync.Mutex
	at map[string]string
}

func (w *checkedTable) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stored, err := w.Memory.Put(ctx, it, c)
	if shard, _ := parseSortKey(it.Key.SK); err == nil && shard != "" {
		var l lease
		if err := it.Decode(&l); err != nil {
			w.t.Error(err)
		}
		before, now := w.at[shard], l.Checkpoint
		from, _ := strconv.Atoi(before)
		to, _ := strconv.Atoi(now)
		if now != eventsource.ShardEnd && (before == eventsource.ShardEnd || to < from) {
			w.t.Errorf("checkpoint of %s: decreased from %s to %s", shard, before, now)
		}
		w.at[shard] = now
	}
	return stored, err
}

// reader is a copy with its mapping.
type reader struct {
	*copyOf
	end func() // ends the mapping and then Run
}

func startReader(t *testing.T, table pipeline.Table, s *stream, l *processed, name string) *reader {
	t.Helper()
	c := start(t, table, name, Options{})
	mapping := &eventsource.FeedMapping{
		Feed: gatedFeed{s, c.gate}, Checkpoints: c, FunctionName: "changes", Timeout: 10 * time.Minute, BatchSize: batchSize,
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

// TestMappingsShareAStream: three mappings read a stream that splits, while
// they die, are suspended, end and start at random. Every record is processed,
// in the order of its shard and after the shard's parent, few are processed
// twice, and no checkpoint decreases.
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
				s, l := newStream(3), &processed{t: t, done: make(map[int]int), last: make(map[string]int)}
				l.stream = s
				table := &checkedTable{t: t, at: make(map[string]string)}
				began := 0
				begin := func() *reader {
					began++
					return startReader(t, table, s, l, fmt.Sprint("copy-", began))
				}
				readers := []*reader{begin(), begin(), begin()}
				suspended := make(map[*reader]bool)
				faults := 0
				for range 120 {
					for range dice.IntN(200) {
						s.write(dice)
					}
					time.Sleep(time.Duration(dice.IntN(10_000)) * time.Millisecond)
					i := dice.IntN(len(readers))
					r := readers[i]
					switch dice.IntN(12) {
					case 0: // it dies
						r.gate.close()
						readers[i] = begin()
						faults++
					case 1, 2, 3: // it is suspended, or resumes
						if suspended[r] {
							r.gate.open()
						} else {
							r.gate.close()
							faults++
						}
						suspended[r] = !suspended[r]
					case 4:
						if !suspended[r] {
							r.end()
							readers[i] = begin()
						}
					case 5:
						s.split()
					}
				}
				for r := range suspended {
					r.gate.open()
				}
				time.Sleep(4 * time.Minute)
				twice := 0
				for n := 1; n <= s.made; n++ {
					if l.done[n] == 0 {
						t.Errorf("record %d of %d: not processed", n, s.made)
					}
					twice += max(0, l.done[n]-1)
				}
				// A copy that dies or is suspended has begun a batch of about
				// one shard. A copy that read on after it resumed would process
				// hundreds of records again.
				if most := faults * batchSize / 2; twice > most || s.made < 1000 {
					t.Errorf("records processed twice: got %d of %d after %d faults, want at most %d", twice, s.made, faults, most)
				}
				t.Logf("%d records, %d shards, %d copies, %d faults: %d processed twice", s.made, len(s.shards), began, faults, twice)
			})
		})
	}
}
