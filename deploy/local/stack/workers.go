package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/failurebucket"
	"sluice/deploy/functions"
	"sluice/deploy/local/tables"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// maxRecordAge is the age at which a change is given up, as in the template.
const maxRecordAge = 12 * time.Hour

// changesReader is what the admin API uses of the function on the change
// stream: what follows from a change.
type changesReader interface {
	Notifications(r pipeline.Record) (notify.Change, []notify.Notification, error)
	Jobs(ctx context.Context, r pipeline.Record) ([]pipeline.Message, error)
}

// notificationSender is what the admin API uses of the function on queue
// notifications.
type notificationSender interface {
	Sent(ctx context.Context, id string) (bool, error)
}

// messageWorker is a worker whose outcomes the stack records.
type messageWorker interface {
	Use(...pipeline.Middleware)
}

// settings are the environment of a function: the process's own, and the names
// of the stack's buckets, queues and tables.
func (s *Stack) settings(f functions.Function) map[string]string {
	own := map[string]string{
		"THUMBNAIL_BUCKET":        BucketThumbnails,
		"JOBS_QUEUE_URL":          s.queues.URL(schema.QueueJobs),
		"NOTIFICATIONS_QUEUE_URL": s.queues.URL(schema.QueueNotifications),
		"RECORDS_TABLE":           tableRecords,
		"STATE_TABLE":             tableState,
		"LETTER_BUCKET":           BucketFailures,
	}
	if !f.Source.HTTP {
		own["DEAD_LETTER_QUEUE_URL"] = s.queues.URL(f.DeadLetterQueue())
	}
	if f.Source.Queue != "" {
		own["SOURCE_QUEUE_URL"] = s.queues.URL(f.Source.Queue)
	}
	environ := map[string]string{"NOTIFY_TO": "operator@localhost", "JWT_KEYS": s.jwtKeys}
	maps.Copy(environ, s.options.Environ)
	delete(environ, "SOURCE_QUEUE_URL")
	maps.Copy(environ, own)
	return environ
}

// buildWorkers builds the functions as their Lambda mains do, over the stack's
// clients and tables. Its error names every setting that is wrong.
func (s *Stack) buildWorkers() error {
	s.functions = make(map[string]functions.Worker)
	var problems []error
	for _, f := range functions.All {
		log := s.log.With("worker", f.Worker)
		if f.Source.Queue != "" {
			log = log.With("queue", f.Source.Queue)
		}
		w, err := f.Build(functions.Backends{
			Settings: s.settings(f), S3: s.clients.S3, SQS: s.clients.SQS, Records: s.records, State: s.state,
			Outbox: s.outbox, OrderStep: s.options.OrderStep,
			ProcessID: s.runtime.Token, // one process owns the store, so that all functions share it
			Logger:    log,
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Name, err))
			continue
		}
		if m, ok := w.(messageWorker); ok {
			m.Use(s.outcomes.middleware)
		}
		if c, ok := w.(changesReader); ok {
			s.changesReader = c
		}
		if n, ok := w.(notificationSender); ok {
			s.sender = n // all functions share the table that it reads
		}
		s.functions[f.Name] = w
	}
	return errors.Join(problems...)
}

// startWorkers builds the functions and starts their event source mappings and
// the tables' sweeps.
func (s *Stack) startWorkers(ctx context.Context) error {
	if err := s.buildWorkers(); err != nil {
		return err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	for _, f := range functions.Mapped() {
		if f.Source.Queue != "" {
			// A process that was killed had received messages. No other process
			// works on them now.
			if _, err := s.queues.Release(ctx, f.Source.Queue); err != nil {
				return err
			}
			s.runMapping(run, "queue "+f.Source.Queue, s.queueMapping(f).Run)
			continue
		}
		s.runMapping(run, f.Name, s.feedMapping(f).Run)
	}
	s.run(run, "table "+tableRecords, s.records.Run)
	s.run(run, "table "+tableState, s.state.Run)
	return nil
}

func (s *Stack) queueMapping(f functions.Function) *eventsource.QueueMapping {
	return &eventsource.QueueMapping{
		Client: s.clients.SQS, QueueURL: s.queues.URL(f.Source.Queue), QueueARN: s.queues.ARN(f.Source.Queue),
		Function: s.observed(f), FunctionName: f.Name, Timeout: cmp.Or(s.options.Hooks.Timeout, f.Timeout), MaxConcurrency: 2,
		ReportBatchItemFailures: true, DrainLimit: s.options.DrainLimit, Logger: s.log.With("mapping", f.Name),
		MaxAttempts: s.maxAttempts(f),
		CancelPolls: true, // the queues of the stack cancel a receive, and Release frees its messages
	}
}

func (s *Stack) feedMapping(f functions.Function) *eventsource.FeedMapping {
	s.checkpoints = tables.NewCheckpoints(s.db, f.Name)
	failures := failurebucket.Bucket{Client: s.clients.S3, Name: BucketFailures, Function: f.Name, Logger: s.log}
	return &eventsource.FeedMapping{
		Feed: s.records.Feed(), Checkpoints: s.checkpoints,
		Function: s.observed(f), FunctionName: f.Name, Timeout: f.Timeout,
		Bisect: true, MaxRecordAge: maxRecordAge, ReportBatchItemFailures: true, OnFailure: failures.Put,
		DrainLimit: s.options.DrainLimit, Logger: s.log.With("mapping", f.Name),
	}
}

// maxAttempts is the function's MAX_ATTEMPTS, which its worker has checked.
func (s *Stack) maxAttempts(f functions.Function) int {
	n, _ := strconv.Atoi(cmp.Or(s.settings(f)["MAX_ATTEMPTS"], strconv.Itoa(setup.MaxAttempts)))
	return n
}

// runMapping is run for what Close waits for before it closes the server.
func (s *Stack) runMapping(ctx context.Context, what string, f func(context.Context) error) {
	s.mappings.Add(1)
	s.run(ctx, what, func(ctx context.Context) error {
		defer s.mappings.Done()
		return f(ctx)
	})
}

// observed is the function, with the hook for invocations.
func (s *Stack) observed(f functions.Function) eventsource.Function {
	invoke, invoked := s.functions[f.Name].Invoke, s.options.Hooks.Invoked
	if invoked == nil {
		return invoke
	}
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		response, err := invoke(ctx, payload)
		invoked(f.Name)
		return response, err
	}
}
