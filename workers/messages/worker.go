// Package messages is the worker that a queue's message wakes: one message, one
// job, chosen by the message's type. Two queues run it, jobs and notifications,
// so that a dead mail server does not starve the jobs.
package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// name is the worker's, in its letters and where long ones lie.
const name = "messages"

// Worker is the use case. Safe for concurrent use.
type Worker struct {
	config   Config
	records  pipeline.Table
	once     *pipeline.Once
	channels notify.Channel
	step     Step
	run      pipeline.Options
	log      *slog.Logger
	now      func() time.Time
	handler  pipeline.Handler
}

// Build makes a worker of its settings and clients. Of run it takes Logger, Now
// and what the settings do not say.
func Build(c Config, clients Clients, run pipeline.Options) (*Worker, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	w := &Worker{
		config:   c,
		records:  clients.Records,
		channels: clients.Channels,
		step:     clients.Step,
		run:      run,
		log:      run.Logger,
		now:      run.Now,
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.now == nil {
		w.now = time.Now
	}
	if w.step == nil {
		w.step = NoStep
	}
	// A claim stands longer than a message can wait in any queue: 14 days.
	w.once = &pipeline.Once{Table: clients.State, Remember: 15 * 24 * time.Hour, ProcessID: clients.ProcessID, Now: w.now}
	letters := sqsqueue.DeadLetters{
		Client: clients.SQS, URL: c.DeadLetterQueueURL, Worker: name, Objects: clients.DeadLetters, Bucket: c.DeadLetterBucket,
	}
	w.handler = storable(letters.Open(w.jobs().Handle))
	w.run.Worker = name
	w.run.Parallel = c.Parallel
	w.run.MaxAttempts = c.MaxAttempts
	w.run.Reserve = c.Reserve
	w.run.DeadLetter = letters.Write
	if c.SourceQueueURL != "" {
		w.run.Delay = sqsqueue.Queue{Client: clients.SQS, URL: c.SourceQueueURL}.Delay
		if w.run.Backoff == nil {
			w.run.Backoff = setup.Backoff
		}
	}
	return w, nil
}

// jobs has the job of each type of message. This is the place to add one.
func (w *Worker) jobs() pipeline.Router {
	return pipeline.Router{
		schema.TypeImageProcessed:    pipeline.Typed(w.imageProcessed),
		schema.TypeImageRejected:     pipeline.Typed(w.imageRejected),
		schema.TypeImageRemoved:      pipeline.Typed(w.imageRemoved),
		schema.TypeUserRegistration:  pipeline.Typed(w.userRegistration),
		schema.TypeOrderProcessing:   pipeline.Typed(w.orderProcessing),
		schema.TypeNotification:      w.notification,
		schema.TypeEmailNotification: pipeline.Typed(w.emailNotification),
	}
}

// storable is a middleware: an item that no table would take, such as one with
// too long a key, is no better the next time.
func storable(h pipeline.Handler) pipeline.Handler {
	return func(ctx context.Context, r pipeline.Record) error {
		err := h(ctx, r)
		if _, ok := errors.AsType[*pipeline.ItemError](err); ok && !pipeline.IsPermanent(err) {
			return pipeline.Permanent(err)
		}
		return err
	}
}

// Use wraps the handling of all messages. Call it before the first Invoke.
func (w *Worker) Use(ms ...pipeline.Middleware) { w.handler = pipeline.Chain(w.handler, ms...) }

// Invoke takes a Lambda event and returns Lambda's answer. It is a
// lambda.Handler's Invoke.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	batch, err := lambdaevent.Decode(payload, lambdaevent.SQS)
	if err != nil {
		return nil, err
	}
	options := w.run
	options.Order = batch.Order
	options.ErrorIfAllFailed = setup.SlowDown(batch)
	return batch.Response(pipeline.Run(ctx, batch.Records, w.handler, options))
}

// change is what a record's change carries of its cause.
func (w *Worker) change(ctx context.Context, r pipeline.Record, status string) schema.Change {
	c := schema.Change{Status: status, Cause: r.Cause, At: r.At}
	if m, ok := pipeline.MessageFrom(ctx); ok {
		c.Hops, c.Trace = m.Hops, m.TraceParent
		if !m.Time.IsZero() {
			c.At = m.Time
		}
	}
	if c.At.IsZero() {
		c.At = w.now()
	}
	c.At = c.At.UTC().Truncate(time.Millisecond)
	return c
}

// patch is v, which holds a change, as a patch of a record. What the record's
// last change had and this one does not is taken away.
func patch(v any) (any, error) {
	m, err := members(v)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"hops", "trace"} {
		if _, ok := m[name]; !ok {
			m[name] = json.RawMessage("null")
		}
	}
	return m, nil
}
