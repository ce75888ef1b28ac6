package stack

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
	"sluice/deploy/local/admin"
	"sluice/pipeline"
)

// maxOutcomes bounds how many messages' outcomes are kept.
const maxOutcomes = 10_000

// outcomes keeps the last outcome of the latest messages by id, for the admin
// API. It is lost when the process ends; durable state is in the tables. Safe
// for concurrent use.
type outcomes struct {
	mu      sync.Mutex
	last    map[string]admin.Outcome
	order   []string
	changed broadcast.Signal // an outcome was added
}

func newOutcomes() *outcomes {
	return &outcomes{last: make(map[string]admin.Outcome)}
}

// middleware records each outcome. It belongs outermost, where it sees the
// error that the run sees.
func (o *outcomes) middleware(next pipeline.Handler) pipeline.Handler {
	return func(ctx context.Context, r pipeline.Record) error {
		defer func() {
			if v := recover(); v != nil {
				o.add(outcomeOf(r, fmt.Errorf("panic: %v", v)))
				panic(v) // the run recovers it, with the stack of the panic
			}
		}()
		err := next(ctx, r)
		o.add(outcomeOf(r, err))
		return err
	}
}

func outcomeOf(r pipeline.Record, err error) admin.Outcome {
	out := admin.Outcome{ID: r.Cause, Attempt: r.Attempt, At: time.Now().UTC()}
	if m, bad := pipeline.DecodeMessage(r.Body); bad == nil {
		out.Type = m.Type
		out.ID = cmp.Or(m.ID, out.ID)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func (o *outcomes) add(out admin.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.last[out.ID]; !known {
		o.order = append(o.order, out.ID)
		if len(o.order) > maxOutcomes {
			delete(o.last, o.order[0])
			o.order = o.order[1:]
		}
	}
	o.last[out.ID] = out
	o.changed.Broadcast()
}

// get returns a message's last outcome, and a channel that is closed at the
// next outcome of any message.
func (o *outcomes) get(id string) (admin.Outcome, bool, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out, ok := o.last[id]
	return out, ok, o.changed.Next()
}
