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

// recorder is a function that records its invocations.
type recorder struct {
	// respond is called with the ids of the event and returns the response. If
	// it is nil, the response names no failures.
	respond func(ctx context.Context, ids []string) (string, error)

	mu          sync.Mutex
	began       time.Time
	invocations []invocation
	running     int
	peak        int
}

type invocation struct {
	ids   string // joined
	n     int
	at    time.Duration
	bytes int
}

func newRecorder(respond func(ctx context.Context, ids []string) (string, error)) *recorder {
	return &recorder{respond: respond, began: time.Now()}
}

func (r *recorder) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event struct {
		Records []struct {
			MessageID string `json:"messageId"`
			DynamoDB  struct{ SequenceNumber string }
		}
	}
	var ids []string
	if id := []byte(`{"messageId":"`); len(payload) > 1<<20 && bytes.Contains(payload, id) { // decoding large events takes too long
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
	r.invocations = append(r.invocations, invocation{ids: strings.Join(ids, ""), n: len(ids), at: time.Since(r.began), bytes: len(payload)})
	r.running++
	r.peak = max(r.peak, r.running)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.running--
		r.mu.Unlock()
	}()
	if r.respond == nil {
		return []byte(`{"batchItemFailures":[]}`), nil
	}
	response, err := r.respond(ctx, ids)
	return []byte(response), err
}

// ids returns the events so far, such as "abc bc".
func (r *recorder) ids() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s []string
	for _, i := range r.invocations {
		s = append(s, i.ids)
	}
	return strings.Join(s, " ")
}

func (r *recorder) times() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ds []time.Duration
	for _, i := range r.invocations {
		ds = append(ds, i.at)
	}
	return ds
}

// sizes returns the number of records of each event, sorted.
func (r *recorder) sizes() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ns []int
	for _, i := range r.invocations {
		ns = append(ns, i.n)
	}
	slices.Sort(ns)
	return ns
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.invocations)
}

// failures returns a response that names these ids.
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

// stop ends the mapping and returns the error of Run.
func (r *running) stop() error {
	r.cancel()
	return <-r.done
}

// stopClean ends the mapping and fails the test if Run returns an error.
func (r *running) stopClean() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// logBuffer holds the log lines of its logger.
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
