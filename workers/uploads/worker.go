// Package uploads is the worker of S3 event notifications. It makes thumbnails of
// created pictures, removes the thumbnails of removed objects, and queues the
// messages of files under inbox/.
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
			Connect: []func(context.Context) error{sqsqueue.Queue{Client: clients.SQS, URL: c.JobsQueueURL}.Connect, connectS3(clients.S3, c.DeadLetterBucket)},
		}, log),
		log:      log,
		template: template,
		options: thumbnail.Options{
			Sizes: sizes, Quality: c.Quality, MaxFrames: c.MaxFrames, SmartCrop: c.SmartCrop,
			MaxPixels: int64(c.MaxPixels), MaxBytes: int64(c.MaxBytes), MemoryBytes: c.memoryBytes(),
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

// handle handles the S3 events in one record. They succeed or fail together, since
// a message cannot be retried in part.
func (w *Worker) handle(ctx context.Context, r pipeline.Record) error {
	events, err := lambdaevent.S3Events(r.Body)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		w.log.InfoContext(ctx, "test event of the bucket's notification configuration")
		return nil
	}
	var problems []error
	for _, e := range events {
		if err := w.event(ctx, e); err != nil {
			problems = append(problems, fmt.Errorf("%s %q: %w", e.EventName, e.Bucket+"/"+e.Key, err))
		}
	}
	return joined(problems)
}

// joined joins the errors of a record's S3 events. The result is permanent only if
// all of them are, since the others are to be retried.
func joined(problems []error) error {
	retry := 0
	for _, err := range problems {
		if !pipeline.IsPermanent(err) {
			retry++
		}
	}
	if retry == 0 || retry == len(problems) {
		return errors.Join(problems...)
	}
	return fmt.Errorf("%d of %d S3 events can be retried: %s", retry, len(problems), strings.ReplaceAll(errors.Join(problems...).Error(), "\n", "; "))
}

// event handles one S3 event.
func (w *Worker) event(ctx context.Context, e lambdaevent.S3Event) error {
	own, err := w.own(e)
	switch {
	case err != nil:
		return err
	case own:
		w.log.DebugContext(ctx, "own output skipped", "bucket", e.Bucket, "key", e.Key)
		return nil
	case strings.HasSuffix(e.Key, "/"):
		w.log.DebugContext(ctx, "folder skipped", "bucket", e.Bucket, "key", e.Key)
		return nil
	case e.Type == lambdaevent.Other:
		w.log.InfoContext(ctx, "event of another type skipped", "event", e.EventName, "bucket", e.Bucket, "key", e.Key)
		return nil
	case strings.HasPrefix(e.Key, w.config.InboxPrefix):
		return w.inbox(ctx, e)
	default:
		return w.picture(ctx, e)
	}
}

// own reports whether the object is one that this worker writes.
func (w *Worker) own(e lambdaevent.S3Event) (bool, error) {
	if e.Bucket == w.config.DeadLetterBucket && strings.HasPrefix(e.Key, "letters/") {
		return true, nil
	}
	if e.Bucket != w.config.ThumbnailBucket {
		return false, nil
	}
	if w.template.prefix == "" {
		return false, pipeline.Permanentf("THUMBNAIL_KEY: got %q, want a prefix before {size}, because the bucket of uploads is also that of thumbnails", w.config.KeyTemplate)
	}
	return strings.HasPrefix(e.Key, w.template.prefix), nil
}

// announce sends a message about the object of an S3 event. The message's id is
// derived from the event, so that a second message has the same id.
func (w *Worker) announce(ctx context.Context, e lambdaevent.S3Event, typ string, data any) error {
	m, err := pipeline.NewMessage(ctx, typ, e.Cause(), data)
	if err != nil {
		return pipeline.Permanent(err)
	}
	m.Source, m.Subject, m.Time = "sluice/uploads", e.Bucket+"/"+e.Key, e.EventTime
	return w.jobs.Send(ctx, m)
}

func source(e lambdaevent.S3Event, etag string) schema.Source {
	return schema.Source{Bucket: e.Bucket, Key: e.Key, ETag: etag, Sequencer: e.Sequencer, VersionID: e.VersionID}
}
