package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/slogtest"

	"sluice/pipeline"
)

func TestLogHandlerPassesSlogtest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		ctx  bool
	}{{"without a record", false}, {"with a record", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var buf bytes.Buffer
			slogtest.Run(t, func(*testing.T) slog.Handler {
				buf.Reset()
				h := pipeline.LogHandler(slog.NewJSONHandler(&buf, nil))
				if tt.ctx {
					h = inRecord{h}
				}
				return h
			}, func(t *testing.T) map[string]any { return line(t, &buf) })
		})
	}
}

// inRecord handles every line with a record's context. The record has no source,
// because slogtest uses that key for the position in the code.
type inRecord struct{ slog.Handler }

func (h inRecord) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(pipeline.WithRecord(ctx, pipeline.Record{ID: "i", Attempt: 2}), r)
}
func (h inRecord) WithAttrs(a []slog.Attr) slog.Handler { return inRecord{h.Handler.WithAttrs(a)} }
func (h inRecord) WithGroup(n string) slog.Handler      { return inRecord{h.Handler.WithGroup(n)} }

// stamping adds an attribute to each line, as lambdacontext's handler does.
type stamping struct{ slog.Handler }

func (h stamping) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("requestId", "req"))
	return h.Handler.Handle(ctx, r)
}
func (h stamping) WithAttrs(a []slog.Attr) slog.Handler { return stamping{h.Handler.WithAttrs(a)} }
func (h stamping) WithGroup(n string) slog.Handler      { return stamping{h.Handler.WithGroup(n)} }

func line(t *testing.T, buf *bytes.Buffer) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(buf.Bytes(), &m); err != nil {
		t.Fatalf("%v in %s", err, buf)
	}
	return m
}

func TestLogHandlerAddsRecordAtTheTopLevel(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := slog.New(pipeline.LogHandler(stamping{slog.NewJSONHandler(&buf, nil)})).With("worker", "w")
	ctx := pipeline.WithRecord(t.Context(), pipeline.Record{ID: "i", Source: "s", Attempt: 2})
	log.WithGroup("g").With("a", 1).WithGroup("h").InfoContext(ctx, "m", "b", 2)
	m := line(t, &buf)
	for name, want := range map[string]any{"worker": "w", "id": "i", "source": "s", "attempt": 2.0, "requestId": "req"} {
		if m[name] != want {
			t.Errorf("%s: got %v at the top level, want %v, in %s", name, m[name], want, &buf)
		}
	}
	g, _ := m["g"].(map[string]any)
	h, _ := g["h"].(map[string]any)
	if g["a"] != 1.0 || h["b"] != 2.0 || len(g) != 2 || len(h) != 1 {
		t.Errorf("groups: got %s, want only g.a and g.h.b", &buf)
	}
}

func TestRunLogsFailedRecordsAndTheBatch(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := slog.New(pipeline.LogHandler(slog.NewJSONHandler(&buf, nil)))
	var j journal
	pipeline.Run(t.Context(), batchOf("", "", ""), failing(&j, "1"), pipeline.Options{Logger: log, Parallel: 1})
	lines := bytes.Split(bytes.TrimSpace(buf.Bytes()), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("lines: got %d, want one for the failed record and one for the batch:\n%s", len(lines), &buf)
	}
	failed, batch := line(t, bytes.NewBuffer(lines[0])), line(t, bytes.NewBuffer(lines[1]))
	if failed["id"] != "1" || failed["error"] != "again" || failed["attempt"] != 1.0 {
		t.Errorf("failed record: got %s, want its id, error and attempt", lines[0])
	}
	if batch["records"] != 3.0 || batch["done"] != 2.0 || batch["failed"] != 1.0 || batch["not_started"] != 0.0 || batch["blocked"] != 0.0 || batch["ms"] == nil {
		t.Errorf("batch: got %s, want the counts and ms", lines[1])
	}
}
