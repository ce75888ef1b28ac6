// Package changes is the worker of the change stream of table records. It queues
// the jobs that follow from a change, and the notifications of the rules. It does
// not send them, so that a slow mail server does not delay the stream.
package changes

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
	"sluice/workers/setup"
	"sluice/workers/setup/runner"
)

// Worker queues what follows from changes. Safe for concurrent use.
type Worker struct {
	config        Config
	rules         *notify.Rules
	jobs          sqsqueue.Queue
	notifications sqsqueue.Queue
	runner        *runner.Runner
	log           *slog.Logger
}

// Build makes a worker of its settings and clients. A nil log discards.
func Build(c Config, clients Clients, log *slog.Logger) (*Worker, error) {
	rules, err := c.check()
	if err != nil {
		return nil, setup.Invalid(err)
	}
	return build(c, rules, clients, log), nil
}

func build(c Config, rules *notify.Rules, clients Clients, log *slog.Logger) *Worker {
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	return &Worker{
		config:        c,
		rules:         rules,
		jobs:          sqsqueue.Queue{Client: clients.SQS, URL: c.JobsQueueURL},
		notifications: sqsqueue.Queue{Client: clients.SQS, URL: c.NotificationsQueueURL},
		runner: runner.New(runner.Config{
			Worker: "changes", Kinds: []lambdaevent.Kind{lambdaevent.DynamoDBStream},
			Parallel: c.Parallel, Reserve: c.Reserve,
			SQS: clients.SQS, DeadLetterQueueURL: c.DeadLetterQueueURL, DeadLetterBucket: c.DeadLetterBucket, Objects: clients.DeadLetters,
			Connect: []func(context.Context) error{sqsqueue.Queue{Client: clients.SQS, URL: c.JobsQueueURL}.Connect},
		}, log),
		log: log,
	}
}

// Invoke handles a Lambda event and returns the response to Lambda. It is
// lambda.Handler's Invoke.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return w.runner.Run(ctx, payload, w.handle)
}

// handle queues the messages that follow from one change, jobs first. If it fails
// in between, the next delivery sends all of them again, with the same ids.
func (w *Worker) handle(ctx context.Context, r pipeline.Record) error {
	c, key, err := read(r)
	if errors.Is(err, streamchange.ErrNoImages) {
		// Every record of this stream fails with it.
		w.log.ErrorContext(ctx, "stream without images", "error", err)
	}
	if err != nil {
		return err
	}
	jobs, err := w.next(ctx, c, key)
	if err != nil {
		return err
	}
	if err := w.jobs.Send(ctx, jobs...); err != nil {
		return err
	}
	return w.notify(ctx, c)
}

// notify queues the notifications of the rules. A rule that fails on this change is
// a permanent error, after the notifications of the other rules are queued.
func (w *Worker) notify(ctx context.Context, c notify.Change) error {
	if age := time.Since(c.At); w.config.NotifyMaxAge > 0 && age > w.config.NotifyMaxAge {
		w.log.WarnContext(ctx, "change too old to be notified", "key", c.Key, "age", age)
		return nil
	}
	notifications, broken := w.rules.Notifications(c)
	var messages []pipeline.Message
	for _, n := range notifications {
		m, err := pipeline.NewMessage(ctx, schema.TypeNotification, n.ID, n)
		if err != nil {
			return pipeline.Permanent(err)
		}
		// The message has the notification's id, so that one id can be followed
		// from here to the receiver.
		m.ID, m.Source, m.Subject, m.Time = n.ID, "sluice/changes", c.Key, c.At
		if text(c.New, "cause") != "" { // a message caused the change
			m.Hops, m.TraceParent = hops(c.New)+1, text(c.New, "trace")
		}
		messages = append(messages, m)
	}
	if err := w.notifications.Send(ctx, messages...); err != nil {
		return err
	}
	return pipeline.Permanent(broken)
}

// Notifications returns the change of a record of an event, and its notifications,
// without queueing them.
func (w *Worker) Notifications(r pipeline.Record) (notify.Change, []notify.Notification, error) {
	c, _, err := read(r)
	if err != nil {
		return c, nil, err
	}
	notifications, err := w.rules.Notifications(c)
	return c, notifications, err
}

// Jobs returns the messages of jobs that follow from a change, without queueing
// them. r is a record of an event.
func (w *Worker) Jobs(ctx context.Context, r pipeline.Record) ([]pipeline.Message, error) {
	c, key, err := read(r)
	if err != nil {
		return nil, err
	}
	return w.next(ctx, c, key)
}

// read returns the record's change for package notify, and its key, which the text
// of the change's key does not determine.
func read(r pipeline.Record) (notify.Change, pipeline.Key, error) {
	c, err := streamchange.Decode(r)
	if err != nil {
		return notify.Change{}, pipeline.Key{}, err
	}
	if err := c.NeedImages(); err != nil {
		return notify.Change{}, pipeline.Key{}, err
	}
	key, err := keyOf(c)
	if err != nil {
		return notify.Change{}, pipeline.Key{}, pipeline.Permanent(err)
	}
	out := notify.Change{ID: c.EventID, Key: schema.KeyText(key), At: c.At, Expired: c.Expired}
	out.Record, out.RecordID = schema.RecordOf(key)
	if c.Old != nil {
		out.Old = streamchange.Plain(c.Old)
	}
	if c.New != nil {
		out.New = streamchange.Plain(c.New)
	}
	return out, key, nil
}

func keyOf(c streamchange.Change) (pipeline.Key, error) {
	keys := streamchange.Plain(c.Keys)
	pk, okPK := keys[pipeline.AttrPK].(string)
	sk, okSK := keys[pipeline.AttrSK].(string)
	if !okPK || !okSK {
		return pipeline.Key{}, errors.New("keys: want strings PK and SK: the event source mapping must read the stream of table records")
	}
	return pipeline.Key{PK: pk, SK: sk}, nil
}
