// Package messages is the worker of queued messages. Each message is one job, which
// its type selects. The worker runs on two queues, jobs and notifications, so that
// a mail server that is down does not block the jobs.
package messages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
	"sluice/workers/setup"
	"sluice/workers/setup/runner"
)

// Worker does the jobs of messages. Safe for concurrent use.
type Worker struct {
	config   Config
	records  pipeline.Table
	once     *pipeline.Once
	channels notify.Channel
	step     Step
	runner   *runner.Runner
	handler  pipeline.Handler
	log      *slog.Logger
}

// Build makes a worker of its settings and clients. A nil log discards.
func Build(c Config, clients Clients, log *slog.Logger) (*Worker, error) {
	if err := c.Validate(); err != nil {
		return nil, setup.Invalid(err)
	}
	return build(c, clients, log)
}

// build is Build for settings that are valid.
func build(c Config, clients Clients, log *slog.Logger) (*Worker, error) {
	channels, step := clients.Channels, clients.Step
	if channels == nil {
		built, err := c.channels(clients)
		if err != nil {
			return nil, setup.Invalid(err)
		}
		channels = built
	}
	if step == nil {
		step = c.step()
	}
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	w := &Worker{
		config:  c,
		records: clients.Records,
		// A claim outlives the 14 days that a message can stay in a queue.
		once:     &pipeline.Once{Table: clients.State, Remember: 15 * 24 * time.Hour, ProcessID: clients.ProcessID},
		channels: channels,
		step:     step,
		runner: runner.New(runner.Config{
			Worker: "messages", Kinds: []lambdaevent.Kind{lambdaevent.SQS},
			Parallel: c.Parallel, MaxAttempts: c.MaxAttempts, Reserve: c.Reserve,
			SQS: clients.SQS, SourceQueueURL: c.SourceQueueURL,
			DeadLetterQueueURL: c.DeadLetterQueueURL, DeadLetterBucket: c.DeadLetterBucket, Objects: clients.DeadLetters,
			Connect: []func(context.Context) error{sqsqueue.Queue{Client: clients.SQS, URL: c.DeadLetterQueueURL}.Connect, setup.ConnectTable(clients.Records)},
		}, log),
		log: log,
	}
	w.handler = storable(w.runner.OpenDeadLetters(w.jobs().Handle))
	return w, nil
}

// jobs has the job of each type of message. A new type is added here.
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

// storable is a middleware that makes the error of an item permanent which no table
// accepts, such as one with too long a key.
func storable(h pipeline.Handler) pipeline.Handler {
	return func(ctx context.Context, r pipeline.Record) error {
		err := h(ctx, r)
		if _, ok := errors.AsType[*pipeline.ItemError](err); ok && !pipeline.IsPermanent(err) {
			return pipeline.Permanent(err)
		}
		return err
	}
}

// Use adds middleware around the handler of all messages. It must be called before
// the first Invoke.
func (w *Worker) Use(ms ...pipeline.Middleware) { w.handler = pipeline.Chain(w.handler, ms...) }

// Invoke handles a Lambda event and returns the response to Lambda. It is
// lambda.Handler's Invoke.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return w.runner.Run(ctx, payload, w.handler)
}

// change returns the members of a record that describe its change by r.
func change(ctx context.Context, r pipeline.Record, status string) schema.Change {
	c := schema.Change{Status: status, Cause: r.Cause, At: r.At}
	if m, ok := pipeline.MessageFrom(ctx); ok {
		c.Hops, c.Trace = m.Hops, m.TraceParent
		if !m.Time.IsZero() {
			c.At = m.Time
		}
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	c.At = c.At.UTC().Truncate(time.Millisecond)
	return c
}

// patch returns v, which contains a change, as a patch of a record. It removes the
// members of the previous change that this one does not have.
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
