package pipeline

import (
	"context"
	"log/slog"
	"slices"
)

// LogHandler wraps h so that a line logged with a handler's context has the
// record's id, source and attempt. They are at the top level even if the logger
// has open groups. So are the attributes that h itself adds, because h never
// sees an open group.
func LogHandler(h slog.Handler) slog.Handler { return &logHandler{base: h} }

type logHandler struct {
	base   slog.Handler
	groups []logGroup // the open ones, outermost first
}

type logGroup struct {
	name  string
	attrs []slog.Attr
}

func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.base.Enabled(ctx, l) }

func (h *logHandler) Handle(ctx context.Context, line slog.Record) error {
	r, _ := ctx.Value(recordKey{}).(*Record)
	if r == nil && len(h.groups) == 0 {
		return h.base.Handle(ctx, line)
	}
	out := slog.NewRecord(line.Time, line.Level, line.Message, line.PC)
	if r != nil {
		out.AddAttrs(slog.String("id", r.ID))
		if r.Source != "" {
			out.AddAttrs(slog.String("source", r.Source))
		}
		if r.Attempt > 0 {
			out.AddAttrs(slog.Int("attempt", r.Attempt))
		}
	}
	attrs := make([]slog.Attr, 0, line.NumAttrs())
	line.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(slices.Concat(g.attrs, attrs)...)}}
	}
	out.AddAttrs(attrs...)
	return h.base.Handle(ctx, out)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.groups) == 0 {
		return &logHandler{base: h.base.WithAttrs(attrs)}
	}
	groups := slices.Clone(h.groups)
	last := &groups[len(groups)-1]
	last.attrs = slices.Concat(last.attrs, attrs)
	return &logHandler{base: h.base, groups: groups}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{base: h.base, groups: append(slices.Clip(h.groups), logGroup{name: name})}
}
