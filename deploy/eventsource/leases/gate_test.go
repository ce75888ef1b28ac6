package leases

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

const testFeed = "arn:aws:dynamodb:eu-west-1:123456789012:table/records/stream/2026-01-01T00:00:00.000"

// gate is the table of one copy. While it is closed every call blocks, as for a
// copy that is dead, suspended or disconnected. Responses of writes can be
// lost.
type gate struct {
	pipeline.Table

	mu     sync.Mutex
	closed chan struct{} // nil while open
	lost   int           // number of write responses to lose
	got    func()        // called after each Get unless nil
	puts   int
}

var errLost = errors.New("the response was lost")

func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		closed := g.closed
		g.mu.Unlock()
		if closed == nil {
			return nil
		}
		select {
		case <-closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

// do changes the gate's settings.
func (g *gate) do(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func (g *gate) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if err := g.pass(ctx); err != nil {
		return pipeline.Item{}, err
	}
	g.mu.Lock()
	got := g.got
	g.mu.Unlock()
	it, err := g.Table.Get(ctx, k)
	if got != nil {
		got()
	}
	return it, err
}

func (g *gate) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if err := g.pass(ctx); err != nil {
		return pipeline.Item{}, err
	}
	stored, err := g.Table.Put(ctx, it, c)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.puts++
	if g.lost > 0 && err == nil {
		g.lost--
		return pipeline.Item{}, errLost
	}
	return stored, err
}

// written returns the number of writes.
func (g *gate) written() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.puts
}

func (g *gate) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if err := g.pass(ctx); err != nil {
		return err
	}
	return g.Table.Delete(ctx, k, c)
}

func (g *gate) Query(ctx context.Context, pk, prefix string) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		if err := g.pass(ctx); err != nil {
			yield(pipeline.Item{}, err)
			return
		}
		for it, err := range g.Table.Query(ctx, pk, prefix) {
			if !yield(it, err) {
				return
			}
		}
	}
}

// copyOf is a copy that sends heartbeats.
type copyOf struct {
	*Checkpoints
	gate *gate
	stop func() // ends Run
}

// start starts a copy over a table. It sends heartbeats until it is stopped or
// the test ends.
func start(t *testing.T, table pipeline.Table, name string, o Options) *copyOf {
	t.Helper()
	g := &gate{Table: table}
	o.Name = name
	c := New(g, testFeed, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil && t.Context().Err() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(func() {
		g.open()
		stop()
	})
	return &copyOf{Checkpoints: c, gate: g, stop: stop}
}

// item returns the item of a shard.
func item(t *testing.T, table *tabletest.Memory, shard string) lease {
	t.Helper()
	it, err := table.Get(t.Context(), pipeline.Key{PK: "lease#" + testFeed, SK: shardPrefix + shard})
	if errors.Is(err, pipeline.ErrNotFound) {
		return lease{}
	}
	if err != nil {
		t.Fatal(err)
	}
	var l lease
	if err := it.Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l
}

// ask loads a shard at the loadInterval of a mapping until it has the lease or
// a time has passed. It returns how long that took, and the checkpoint.
func ask(t *testing.T, c *copyOf, shard string, most time.Duration) (took time.Duration, after string, got bool) {
	t.Helper()
	began := time.Now()
	for {
		after, err := c.Load(t.Context(), shard)
		if err == nil {
			return time.Since(began), after, true
		}
		if !isLeased(err) {
			t.Fatalf("%s: load %q: %v", c.Owner(), shard, err)
		}
		if time.Since(began) >= most {
			return time.Since(began), "", false
		}
		time.Sleep(loadInterval)
	}
}
