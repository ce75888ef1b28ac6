// Package uploads is the worker that an upload wakes: a picture created makes
// thumbnails, an object removed takes its thumbnails along, and a file of
// messages under inbox/ is put on the queue.
package uploads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/sync/semaphore"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
	"sluice/thumbnail"
	"sluice/workers/schema"
	"sluice/workers/setup"
	"sluice/workers/setup/runner"
)

// name is the worker's, in its letters and where long ones lie.
const name = "uploads"

// Worker makes thumbnails of uploaded pictures, removes those of removed
// objects, and queues uploaded messages. Safe for concurrent use.
type Worker struct {
	config        Config
	s3            Objects
	jobs          sqsqueue.Queue
	notifications sqsqueue.Queue
	runner        *runner.Runner
	handler       pipeline.Handler
	log           *slog.Logger
	template      keyTemplate
	options       thumbnail.Options
	memory        *semaphore.Weighted // decoded bytes, of all records in progress
}

// Build makes a worker of its settings and clients. A nil log discards.
func Build(c Config, clients Clients, log *slog.Logger) (*Worker, error) {
	if err := c.Validate(); err != nil {
		return nil, setup.Invalid(err)
	}
	sizes, err := thumbnail.ParseSizes(c.Sizes)
	if err != nil {
		return nil, err
	}
	template, err := parseTemplate(c.KeyTemplate)
	if err != nil {
		return nil, err
	}
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	w := &Worker{
		config:        c,
		s3:            clients.S3,
		jobs:          sqsqueue.Queue{Client: clients.SQS, URL: c.JobsQueueURL},
		notifications: sqsqueue.Queue{Client: clients.SQS, URL: c.NotificationsQueueURL},
		runner: runner.New(runner.Config{
			Worker:   "uploads",
			Kinds:    []lambdaevent.Kind{lambdaevent.SQS, lambdaevent.S3, lambdaevent.SNS, lambdaevent.EventBridge},
			Parallel: c.Parallel, MaxAttempts: c.MaxAttempts, Reserve: c.Reserve,
			SQS: clients.SQS, SourceQueueURL: c.SourceQueueURL,
			DeadLetterQueueURL: c.DeadLetterQueueURL, DeadLetterBucket: c.DeadLetterBucket, Objects: clients.S3,
		}, log),
		log:      log,
		template: template,
		options: thumbnail.Options{
			Sizes: sizes, Quality: c.Quality, MaxFrames: c.MaxFrames, SmartCrop: c.SmartCrop,
			MaxPixels: c.MaxPixels, MaxBytes: int64(c.MaxBytes), MemoryBytes: c.memoryBytes(),
			Pool: new(thumbnail.Pool),
		},
		memory: semaphore.NewWeighted(c.memoryBytes()),
	}
	w.handler = w.runner.OpenDeadLetters(w.handle)
	w.config.InboxTypes = make([]string, len(c.InboxTypes))
	for i, typ := range c.InboxTypes {
		w.config.InboxTypes[i] = strings.TrimSpace(typ)
	}
	return w, nil
}

// Invoke handles a Lambda event and returns the response to Lambda. It is
// lambda.Handler's Invoke.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return w.runner.Run(ctx, payload, w.handler)
}

// handle does what the notices in one record ask for. They stand or fall
// together: a message cannot come back in part.
func (w *Worker) handle(ctx context.Context, r pipeline.Record) error {
	notices, err := lambdaevent.S3Events(r.Body)
	if err != nil {
		return err
	}
	if len(notices) == 0 {
		w.log.InfoContext(ctx, "test event: the bucket's notifications reach the queue")
		return nil
	}
	var problems []error
	for _, n := range notices {
		if err := w.notice(ctx, n); err != nil {
			problems = append(problems, fmt.Errorf("%s %q: %w", n.EventName, n.Bucket+"/"+n.Key, err))
		}
	}
	return together(problems)
}

// together joins the errors of a record's notices. The record is permanent only
// if all of them are: else the others must come back.
func together(problems []error) error {
	retry := 0
	for _, err := range problems {
		if !pipeline.IsPermanent(err) {
			retry++
		}
	}
	if retry == 0 || retry == len(problems) {
		return errors.Join(problems...)
	}
	return fmt.Errorf("%d of %d notices may be retried: %s", retry, len(problems), strings.ReplaceAll(errors.Join(problems...).Error(), "\n", "; "))
}

// notice does what one notice asks for.
func (w *Worker) notice(ctx context.Context, n lambdaevent.S3Event) error {
	own, err := w.own(n)
	switch {
	case err != nil:
		return err
	case own:
		w.log.DebugContext(ctx, "own output skipped", "bucket", n.Bucket, "key", n.Key)
		return nil
	case strings.HasSuffix(n.Key, "/"):
		w.log.DebugContext(ctx, "folder skipped", "bucket", n.Bucket, "key", n.Key)
		return nil
	case n.Type == lambdaevent.Other:
		w.log.InfoContext(ctx, "event of no concern", "event", n.EventName, "bucket", n.Bucket, "key", n.Key)
		return nil
	case strings.HasPrefix(n.Key, w.config.InboxPrefix):
		return w.inbox(ctx, n)
	default:
		return w.picture(ctx, n)
	}
}

// own reports whether the object is one that this worker writes.
func (w *Worker) own(n lambdaevent.S3Event) (bool, error) {
	if n.Bucket == w.config.DeadLetterBucket && strings.HasPrefix(n.Key, "letters/") {
		return true, nil
	}
	if n.Bucket != w.config.ThumbnailBucket {
		return false, nil
	}
	if w.template.prefix == "" {
		return false, pipeline.Permanentf("thumbnails would be written among the uploads: THUMBNAIL_KEY %q needs a prefix of its own", w.config.KeyTemplate)
	}
	return strings.HasPrefix(n.Key, w.template.prefix), nil
}

// announce sends the message that tells what became of the notice's object. The
// message's id depends on the notice alone: sent twice, it is the same.
func (w *Worker) announce(ctx context.Context, n lambdaevent.S3Event, typ string, data any) error {
	m, err := pipeline.NewMessage(ctx, typ, n.Cause(), data)
	if err != nil {
		return pipeline.Permanent(err)
	}
	m.Source, m.Subject, m.Time = "sluice/uploads", n.Bucket+"/"+n.Key, n.EventTime
	return w.jobs.Send(ctx, m)
}

func source(n lambdaevent.S3Event, etag string) schema.Source {
	return schema.Source{Bucket: n.Bucket, Key: n.Key, ETag: etag, Sequencer: n.Sequencer, VersionID: n.VersionID}
}
