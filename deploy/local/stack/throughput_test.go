package stack_test

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
	"sluice/deploy/local/admin"
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/stack"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/setup"
)

// maxOutstanding is how many messages may be sent and not yet handled. The loop is
// closed, so that no figure includes a growing backlog.
const maxOutstanding = 2000

// path is a queue of a stack, a function that counts, and the event source
// mapping between them: the cost of a message without its job.
type path struct {
	stack      *stack.Stack
	clients    admin.Clients
	network    *http.Transport // of clients
	url        string
	deliveries *deliveries
	slots      *semaphore.Weighted
}

func newPath(tb testing.TB, d *deliveries) *path {
	tb.Helper()
	o := stack.Options{
		Dir: tb.TempDir(), Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}
	s, err := stack.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	p := &path{stack: s, network: admin.NewTransport(), url: s.QueueURL("bench"), deliveries: d, slots: semaphore.NewWeighted(maxOutstanding)}
	p.clients = admin.NewClients(s.Runtime(), p.network)
	if err := s.Queues().Create(tb.Context(), "bench", map[string]string{"VisibilityTimeout": "360"}); err != nil {
		tb.Fatal(err)
	}
	m := &eventsource.QueueMapping{
		Client: p.clients.SQS, QueueURL: p.url, QueueARN: s.Queues().ARN("bench"), Function: p.invoke, FunctionName: "bench",
		Timeout: time.Minute, MaxConcurrency: 16, ReportBatchItemFailures: true, DrainLimit: time.Minute,
		CancelPolls: true,
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
		if err := s.Close(); err != nil {
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
		p.deliveries.add(string(r.Body))
		p.slots.Release(1)
		return nil
	}, pipeline.Options{Order: batch.Order, Parallel: 1})
	return batch.Response(res)
}

// push sends n messages of 200 bytes from several clients, in batches of ten. It
// returns when each was delivered once and the queue is empty, and fails the test
// when that takes too long.
func (p *path) push(tb testing.TB, n, clients int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute+time.Duration(n)*2*time.Millisecond)
	defer cancel()
	first := p.deliveries.expect(n)
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
	case <-p.deliveries.complete():
	case <-ctx.Done():
	}
	stats, err := p.drained(ctx)
	if err = errors.Join(err, p.deliveries.err()); err != nil {
		tb.Fatalf("%v; the queue: %+v", err, stats)
	}
}

// drained waits until the queue is empty: handled messages are deleted, too.
func (p *path) drained(ctx context.Context) (sqsserver.Stats, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		st, err := p.stack.Queues().QueueStats("bench")
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
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(p.deliveries.body(first + i))}
	}
	out, err := p.clients.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &p.url, Entries: entries})
	if err == nil && len(out.Failed) > 0 {
		err = fmt.Errorf("%d refused: %s", len(out.Failed), aws.ToString(out.Failed[0].Message))
	}
	return err
}

// TestEachMessageIsHandledOnce is the path of the benchmarks with few messages.
func TestEachMessageIsHandledOnce(t *testing.T) {
	t.Parallel()
	p := newPath(t, newDeliveries(0, false))
	p.push(t, 505, 3)
	p.push(t, 1, 1)
}

// BenchmarkMessages takes durable messages through the whole path: sent over the
// SQS protocol, received by the mapping, handled, deleted. Each step is synced
// before its response. p50 and p99 are from before the send to the job, with up to
// maxOutstanding messages in between; BenchmarkLatency measures an idle path.
// cpu-us/message includes the whole process, sender and receiver.
func BenchmarkMessages(b *testing.B) {
	stack.TuneGC(setup.Environ())
	b.Run("batch=10", func(b *testing.B) {
		p := newPath(b, newDeliveries(b.N, true))
		b.ResetTimer()
		cpu := cpuTime()
		p.push(b, b.N, 8)
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/message")
		p.deliveries.report(b)
	})
}

// BenchmarkLatency sends ten messages at a time and waits until they are deleted.
// p50 and p99 are from the send to the job.
func BenchmarkLatency(b *testing.B) {
	stack.TuneGC(setup.Environ())
	p := newPath(b, newDeliveries(0, true))
	for b.Loop() {
		p.push(b, 10, 1)
	}
	p.deliveries.report(b)
}

func (d *deliveries) report(b *testing.B) {
	slices.Sort(d.took)
	b.ReportMetric(float64(d.took[len(d.took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(d.took[len(d.took)*99/100])/1e6, "p99-ms")
}

// full asks for the large forms of tests.
func full() bool { return os.Getenv("SLUICE_TEST_FULL") != "" }

// usageNow must not grow with the number of messages.
type usageNow struct {
	heap       uint64
	goroutines int
	files      int
}

// measure waits until connections are closed and returns the usage.
func (p *path) measure(t *testing.T) usageNow {
	t.Helper()
	const steady = 20 // equal readings
	var last usageNow
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for same := 0; same < steady; {
		p.network.CloseIdleConnections()
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("open files cannot be counted: %v", err)
		}
		now := usageNow{goroutines: runtime.NumGoroutine(), files: len(files)}
		if same++; now != last {
			same, last = 0, now
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("goroutines and files do not settle: %+v", now)
		}
	}
	runtime.GC()
	runtime.GC() // the second empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	last.heap = m.HeapAlloc
	return last
}

// TestMemoryIsFlat compares the usage after a tenth of the messages and at the
// end.
func TestMemoryIsFlat(t *testing.T) {
	if !full() {
		t.Skip("a million messages: run with SLUICE_TEST_FULL=1")
	}
	messages := 1_000_000
	if v := os.Getenv("SLUICE_TEST_MESSAGES"); v != "" {
		var err error
		if messages, err = strconv.Atoi(v); err != nil {
			t.Fatalf("SLUICE_TEST_MESSAGES: %v", err)
		}
	}
	p := newPath(t, newDeliveries(messages, false))
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
