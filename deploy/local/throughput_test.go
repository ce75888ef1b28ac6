package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"golang.org/x/sync/semaphore"

	"sluice/deploy/eventsource"
	"sluice/deploy/local/sqsserver"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/setup"
)

// maxOutstanding is how many messages may be sent and not yet handled: the loop
// is closed, so that a figure is not that of a growing backlog.
const maxOutstanding = 2000

// path is a queue of a home, a worker behind it that only counts, and the event
// source mapping in between: what a message costs, apart from its job.
type path struct {
	home    *home
	clients clients
	network *http.Transport // of clients
	url     string
	ledger  *ledger
	slots   *semaphore.Weighted
}

func newPath(tb testing.TB, batchSize int, l *ledger) *path {
	tb.Helper()
	o := homeOptions{
		Dir: tb.TempDir(), Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}
	h, err := openHome(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	p := &path{home: h, network: newTransport(), url: h.queues.URL("bench"), ledger: l, slots: semaphore.NewWeighted(maxOutstanding)}
	p.clients = newClients(h.address, p.network)
	if err := h.queues.Create(tb.Context(), "bench", map[string]string{"VisibilityTimeout": "360"}); err != nil {
		tb.Fatal(err)
	}
	m := &eventsource.QueueMapping{
		Client: p.clients.SQS, QueueURL: p.url, QueueARN: h.queues.ARN("bench"), Function: p.invoke, FunctionName: "bench",
		Timeout: time.Minute, BatchSize: batchSize, MaxConcurrency: 16, ReportBatchItemFailures: true, DrainLimit: time.Minute,
		CancelPolls: true,
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
		p.network.CloseIdleConnections()
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
		p.ledger.saw(string(r.Body))
		p.slots.Release(1)
		return nil
	}, pipeline.Options{Order: batch.Order, Parallel: 1})
	return batch.Response(res)
}

// push sends n messages of 200 bytes from so many clients at once, in batches of
// ten. It returns when the worker has seen each of them once and the queue is
// empty, and fails the test when that takes too long.
func (p *path) push(tb testing.TB, n, clients int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute+time.Duration(n)*2*time.Millisecond)
	defer cancel()
	first := p.ledger.expect(n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				from := int(next.Add(10)) - 10
				if from >= n {
					return
				}
				if err := p.sendBatch(ctx, first+from, min(10, n-from)); err != nil {
					tb.Errorf("send: %v", err)
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case <-p.ledger.complete():
	case <-ctx.Done():
	}
	stats, err := p.drained(ctx)
	if err = errors.Join(err, p.ledger.err()); err != nil {
		tb.Fatalf("%v; the queue: %+v", err, stats)
	}
}

// drained waits until the queue holds nothing: what was handled is deleted too.
func (p *path) drained(ctx context.Context) (sqsserver.Stats, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		st, err := p.home.queues.QueueStats("bench")
		if err != nil || st.Ready+st.InFlight+st.Delayed == 0 {
			return st, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return st, ctx.Err()
		}
	}
}

func (p *path) sendBatch(ctx context.Context, first, n int) error {
	if err := p.slots.Acquire(ctx, int64(n)); err != nil {
		return err
	}
	entries := make([]types.SendMessageBatchRequestEntry, n)
	for i := range entries {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(p.ledger.body(first + i))}
	}
	out, err := p.clients.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &p.url, Entries: entries})
	if err == nil && len(out.Failed) > 0 {
		err = fmt.Errorf("%d refused: %s", len(out.Failed), aws.ToString(out.Failed[0].Message))
	}
	return err
}

// TestPath is the benchmarks' path in small: every message is handled once and
// none is left behind.
func TestPath(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{10, 100} {
		t.Run(fmt.Sprintf("batch=%d", batch), func(t *testing.T) {
			t.Parallel()
			p := newPath(t, batch, newLedger(0, false))
			p.push(t, 505, 3)
			p.push(t, 1, 1)
		})
	}
}

// BenchmarkMessages takes durable messages through the whole path: sent over the
// SQS protocol, received by the mapping, handled, deleted; each step is on the
// disk before it is answered. p50 and p99 are from before the send to the job,
// with up to maxOutstanding messages on the way: BenchmarkLatency has the
// latency when nothing is in the way. cpu-us/message is all of this process, the
// sender included.
func BenchmarkMessages(b *testing.B) {
	tuneGC(setup.Environ())
	for _, batch := range []int{10, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			p := newPath(b, batch, newLedger(b.N, true))
			b.ResetTimer()
			cpu := cpuTime()
			p.push(b, b.N, 8)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/message")
			p.ledger.report(b)
		})
	}
}

// BenchmarkLatency sends ten messages at a time and waits until they are deleted:
// p50 and p99 are from the send to the job when nothing is in the way.
func BenchmarkLatency(b *testing.B) {
	tuneGC(setup.Environ())
	p := newPath(b, 10, newLedger(0, true))
	for b.Loop() {
		p.push(b, 10, 1)
	}
	p.ledger.report(b)
}

func (l *ledger) report(b *testing.B) {
	slices.Sort(l.took)
	b.ReportMetric(float64(l.took[len(l.took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(l.took[len(l.took)*99/100])/1e6, "p99-ms")
}

// full asks for the large tests, which .ci/run makes.
func full() bool { return os.Getenv("SLUICE_TEST_FULL") != "" }

// usage is what must not grow with the messages that have passed.
type usageNow struct {
	heap       uint64
	goroutines int
	files      int
}

// measure waits until the connections of the work before are gone, and looks.
func (p *path) measure(t *testing.T) usageNow {
	t.Helper()
	const steady = 20 // readings that are alike
	var last usageNow
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for same := 0; same < steady; {
		p.network.CloseIdleConnections()
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("open files cannot be counted here: %v", err)
		}
		now := usageNow{goroutines: runtime.NumGoroutine(), files: len(files)}
		if same++; now != last {
			same, last = 0, now
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("goroutines and files do not come to rest: %+v", now)
		}
	}
	runtime.GC()
	runtime.GC() // what a pool held is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	last.heap = m.HeapAlloc
	return last
}

// TestMemoryIsFlat looks at a tenth and at the end.
func TestMemoryIsFlat(t *testing.T) {
	if !full() {
		t.Skip("a million messages: SLUICE_TEST_FULL=1 asks for them")
	}
	messages := 1_000_000
	if v := os.Getenv("SLUICE_TEST_MESSAGES"); v != "" {
		var err error
		if messages, err = strconv.Atoi(v); err != nil {
			t.Fatalf("SLUICE_TEST_MESSAGES: %v", err)
		}
	}
	p := newPath(t, 10, newLedger(messages, false))
	p.push(t, messages/10, 8)
	early := p.measure(t)
	p.push(t, messages-messages/10, 8)
	late := p.measure(t)
	t.Logf("of %d messages, at 10%%: %+v, at 100%%: %+v", messages, early, late)
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
