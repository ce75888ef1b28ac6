package eventsource

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a function that notes its invocations and answers as told.
type recorder struct {
	// answer is called with the ids of the event. Nil answers with no failures.
	answer func(ctx context.Context, ids []string) (string, error)

	mu      sync.Mutex
	began   time.Time
	calls   []call
	running int
	peak    int
}

type call struct {
	ids   string // joined
	n     int
	at    time.Duration
	bytes int
}

func newRecorder(answer func(ctx context.Context, ids []string) (string, error)) *recorder {
	return &recorder{answer: answer, began: time.Now()}
}

func (r *recorder) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event struct {
		Records []struct {
			MessageID string `json:"messageId"`
			DynamoDB  struct{ SequenceNumber string }
		}
	}
	var ids []string
	if id := []byte(`{"messageId":"`); len(payload) > 1<<20 && bytes.Contains(payload, id) { // too long to decode many of
		for _, part := range bytes.Split(payload, id)[1:] {
			ids = append(ids, string(part[:bytes.IndexByte(part, '"')]))
		}
	} else if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	for _, rec := range event.Records {
		ids = append(ids, rec.MessageID+rec.DynamoDB.SequenceNumber)
	}
	r.mu.Lock()
	r.calls = append(r.calls, call{ids: strings.Join(ids, ""), n: len(ids), at: time.Since(r.began), bytes: len(payload)})
	r.running++
	r.peak = max(r.peak, r.running)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.running--
		r.mu.Unlock()
	}()
	if r.answer == nil {
		return []byte(`{"batchItemFailures":[]}`), nil
	}
	answer, err := r.answer(ctx, ids)
	return []byte(answer), err
}

// ids returns the events so far, such as "abc bc".
func (r *recorder) ids() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s []string
	for _, c := range r.calls {
		s = append(s, c.ids)
	}
	return strings.Join(s, " ")
}

func (r *recorder) times() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ds []time.Duration
	for _, c := range r.calls {
		ds = append(ds, c.at)
	}
	return ds
}

// sizes returns how many records the events held, sorted.
func (r *recorder) sizes() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ns []int
	for _, c := range r.calls {
		ns = append(ns, c.n)
	}
	slices.Sort(ns)
	return ns
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// failures builds the answer that names these ids.
func failures(ids ...string) string {
	type item struct {
		ItemIdentifier string `json:"itemIdentifier"`
	}
	items := []item{}
	for _, id := range ids {
		items = append(items, item{id})
	}
	out, _ := json.Marshal(map[string]any{"batchItemFailures": items})
	return string(out)
}

// running is a mapping that runs in the background of a test.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

func startMapping(t *testing.T, run func(context.Context) error) *running {
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- run(ctx) }()
	return r
}

// stop ends the mapping and returns what Run did.
func (r *running) stop() error {
	r.cancel()
	return <-r.done
}

// stopClean ends the mapping, which must leave nothing behind.
func (r *running) stopClean() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// logBuffer is a logger that a test can read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
