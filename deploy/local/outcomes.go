package main

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
	"sluice/pipeline"
)

// maxOutcomes bounds how many messages' outcomes are remembered.
const maxOutcomes = 10_000

// outcome is what came of one delivery of a message.
type outcome struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Attempt int       `json:"attempt"`
	Error   string    `json:"error,omitempty"`
	At      time.Time `json:"at"`
}

// outcomes remembers what came of the last messages, by their ids, for those who
// ask. It is a convenience of this process: what must last stands in the tables.
type outcomes struct {
	mu      sync.Mutex
	last    map[string]outcome
	order   []string
	changed broadcast.Signal // an outcome was added
}

func newOutcomes() *outcomes {
	return &outcomes{last: make(map[string]outcome)}
}

// middleware belongs outermost: it sees the record, and the error as the run
// does.
func (o *outcomes) middleware(next pipeline.Handler) pipeline.Handler {
	return func(ctx context.Context, r pipeline.Record) error {
		defer func() {
			if v := recover(); v != nil {
				o.add(outcomeOf(r, fmt.Errorf("panic: %v", v)))
				panic(v) // the run's to keep, with the stack that still stands
			}
		}()
		err := next(ctx, r)
		o.add(outcomeOf(r, err))
		return err
	}
}

func outcomeOf(r pipeline.Record, err error) outcome {
	out := outcome{ID: r.Cause, Attempt: r.Attempt, At: time.Now().UTC()}
	if m, bad := pipeline.DecodeMessage(r.Body); bad == nil {
		out.Type = m.Type
		out.ID = cmp.Or(m.ID, out.ID)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func (o *outcomes) add(out outcome) {
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

// get returns the outcome of the message's last delivery, and a channel that is
// closed when there is news.
func (o *outcomes) get(id string) (outcome, bool, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out, ok := o.last[id]
	return out, ok, o.changed.Next()
}
