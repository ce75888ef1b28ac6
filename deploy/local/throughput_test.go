package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

// path is a queue of a home, a worker behind it that only counts, and the event
// source mapping in between: what a message costs, apart from its job.
type path struct {
	home    *home
	url     string
	done    atomic.Int64
	target  atomic.Int64
	reached chan struct{}
	mu      sync.Mutex
	sent    map[string]time.Time // by body; nil: nobody measures latencies
	took    []time.Duration
}

func newPath(tb testing.TB, batchSize int) *path {
	tb.Helper()
	o := homeOptions{
		Dir: tb.TempDir(), Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}
	h, err := openHome(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	p := &path{home: h, url: h.queues.URL("bench"), reached: make(chan struct{}, 1)}
	if err := h.queues.Create(tb.Context(), "bench", map[string]string{"VisibilityTimeout": "360"}); err != nil {
		tb.Fatal(err)
	}
	m := &eventsource.QueueMapping{
		Client: h.clients.SQS, QueueURL: p.url, QueueARN: h.queues.ARN("bench"), Function: p.invoke, FunctionName: "bench",
		Timeout: time.Minute, BatchSize: batchSize, MaxConcurrency: 16, ReportBatchItemFailures: true, DrainLimit: time.Minute,
	}
	if batchSize > 10 {
		m.Window = time.Second
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		stop()
		running.Wait()
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func (p *path) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	batch, err := lambdaevent.Decode(payload, lambdaevent.SQS)
	if err != nil {
		return nil, err
	}
	res := pipeline.Run(ctx, batch.Records, func(_ context.Context, r pipeline.Record) error {
		if p.sent != nil {
			p.mu.Lock()
			p.took = append(p.took, time.Since(p.sent[string(r.Body)]))
			delete(p.sent, string(r.Body))
			p.mu.Unlock()
		}
		return nil
	}, pipeline.Options{Order: batch.Order, Parallel: 1})
	if p.done.Add(int64(len(batch.Records))) >= p.target.Load() {
		select {
		case p.reached <- struct{}{}:
		default:
		}
	}
	return batch.Answer(res)
}

// push sends n messages of 200 bytes from so many clients at once, in batches of
// ten, and waits until the worker has seen them all.
func (p *path) push(tb testing.TB, n, clients int) {
	tb.Helper()
	p.target.Store(p.done.Load() + int64(n))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				first := int(next.Add(10)) - 10
				if first >= n {
					return
				}
				if err := p.sendBatch(tb.Context(), first, min(10, n-first)); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
	<-p.reached
}

func (p *path) sendBatch(ctx context.Context, first, n int) error {
	entries := make([]types.SendMessageBatchRequestEntry, n)
	for i := range entries {
		body := fmt.Sprintf("%-200d", first+i)
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: &body}
		if p.sent != nil {
			p.mu.Lock()
			p.sent[body] = time.Now()
			p.mu.Unlock()
		}
	}
	out, err := p.home.clients.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &p.url, Entries: entries})
	if err == nil && len(out.Failed) > 0 {
		err = fmt.Errorf("%d refused: %s", len(out.Failed), aws.ToString(out.Failed[0].Message))
	}
	return err
}

// BenchmarkMessages takes durable messages through the whole path: sent over the
// SQS protocol, received by the mapping, handled, deleted; each step is on the
// disk before it is answered. p50 and p99 are from before the send to the job,
// so that with senders ahead of the worker they are the queue's backlog.
func BenchmarkMessages(b *testing.B) {
	for _, batch := range []int{10, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			p := newPath(b, batch)
			p.sent = make(map[string]time.Time)
			b.ResetTimer()
			p.push(b, b.N, 8)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			slices.Sort(p.took)
			b.ReportMetric(float64(p.took[len(p.took)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(p.took[len(p.took)*99/100])/1e6, "p99-ms")
		})
	}
}

// BenchmarkLatency sends ten messages at a time and waits for them: what the path
// takes when nothing is in the way.
func BenchmarkLatency(b *testing.B) {
	p := newPath(b, 10)
	p.sent = make(map[string]time.Time)
	for b.Loop() {
		p.push(b, 10, 1)
	}
	slices.Sort(p.took)
	b.ReportMetric(float64(p.took[len(p.took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(p.took[len(p.took)*99/100])/1e6, "p99-ms")
}

// full asks for the large tests, which .ci/run makes.
func full() bool { return os.Getenv("SLUICE_TEST_FULL") != "" }

// usage is what must not grow with the messages that have passed.
type usageNow struct {
	heap       uint64
	goroutines int
	files      int
}

func measure(t *testing.T) usageNow {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("open files cannot be counted here: %v", err)
	}
	return usageNow{m.HeapAlloc, runtime.NumGoroutine(), len(files)}
}

// TestMemoryIsFlat looks at a tenth and at the end.
func TestMemoryIsFlat(t *testing.T) {
	if !full() {
		t.Skip("a million messages: SLUICE_TEST_FULL=1 asks for them")
	}
	const messages = 1_000_000
	p := newPath(t, 10)
	p.push(t, messages/10, 8)
	early := measure(t)
	p.push(t, messages-messages/10, 8)
	late := measure(t)
	t.Logf("at 10%%: %+v, at 100%%: %+v", early, late)
	if float64(late.heap) > 1.05*float64(early.heap) {
		t.Errorf("heap: %d bytes at a tenth, %d at the end, want at most 5%% more", early.heap, late.heap)
	}
	if float64(late.goroutines) > 1.05*float64(early.goroutines) {
		t.Errorf("goroutines: %d at a tenth, %d at the end, want at most 5%% more", early.goroutines, late.goroutines)
	}
	if float64(late.files) > 1.05*float64(early.files) {
		t.Errorf("open files: %d at a tenth, %d at the end, want at most 5%% more", early.files, late.files)
	}
}
