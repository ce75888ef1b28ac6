package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/tables"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

// Names of the home's buckets, tables and queues. They are those of deploy/aws,
// without what makes names unique there.
const (
	bucketUploads    = "uploads"
	bucketThumbnails = "thumbnails"
	bucketFailures   = "failures"

	tableRecords = "records"
	tableState   = "state"

	queueUploads       = "uploads"
	queueJobs          = "jobs"
	queueNotifications = "notifications"
	queueChangesDead   = "changes-dead"
	deadSuffix         = "-dead"
)

// Timeouts of the workers, and what follows for their queues.
const (
	timeoutUploads       = 60 * time.Second
	timeoutJobs          = 60 * time.Second
	timeoutNotifications = 60 * time.Second
	timeoutChanges       = 60 * time.Second
	visibilityFactor     = 6 // AWS's advice, over the function's timeout
	maxReceiveCount      = 16
)

var workerQueues = []struct {
	name    string
	timeout time.Duration
}{
	{queueUploads, timeoutUploads},
	{queueJobs, timeoutJobs},
	{queueNotifications, timeoutNotifications},
}

// createQueues makes the workers' queues and their dead-letter queues. One that
// exists keeps the attributes that somebody gave it, or an older version.
func createQueues(ctx context.Context, q *sqsserver.Service, log *slog.Logger) error {
	ensure := func(name string, attrs map[string]string) error {
		differs, err := q.Ensure(ctx, name, attrs)
		for _, d := range differs {
			log.WarnContext(ctx, "a queue keeps its own attribute", "queue", name, "attribute", d.Attribute, "is", d.Is, "standard", d.Asked)
		}
		return err
	}
	dead := map[string]string{"MessageRetentionPeriod": "1209600"}
	if err := ensure(queueChangesDead, dead); err != nil {
		return err
	}
	for _, wq := range workerQueues {
		if err := ensure(wq.name+deadSuffix, dead); err != nil {
			return err
		}
		err := ensure(wq.name, map[string]string{
			"VisibilityTimeout":      strconv.Itoa(int(wq.timeout/time.Second) * visibilityFactor),
			"MessageRetentionPeriod": "345600",
			"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`,
				q.ARN(wq.name+deadSuffix), maxReceiveCount),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// workers are the three workers of the home. messages runs twice.
type workers struct {
	uploads       *uploads.Worker
	changes       *changes.Worker
	jobs          *messages.Worker
	notifications *messages.Worker
	done          sync.WaitGroup
}

// settings are the home's own for a worker, over which lie those of the
// process's environment.
func (h *home) settings(queue string) map[string]string {
	s := map[string]string{
		"THUMBNAIL_BUCKET":        bucketThumbnails,
		"JOBS_QUEUE_URL":          h.queues.URL(queueJobs),
		"NOTIFICATIONS_QUEUE_URL": h.queues.URL(queueNotifications),
		"RECORDS_TABLE":           tableRecords,
		"STATE_TABLE":             tableState,
		"LETTER_BUCKET":           bucketFailures,
		"NOTIFY_TO":               "operator@localhost",
	}
	maps.Copy(s, h.options.Environ)
	s["DEAD_LETTER_QUEUE_URL"] = h.queues.URL(queue + deadSuffix)
	s["SOURCE_QUEUE_URL"] = h.queues.URL(queue)
	return s
}

// buildWorkers builds the workers as their Lambda mains do, with the home's
// tables and clients.
func (h *home) buildWorkers() error {
	log := func(worker string) *slog.Logger { return h.log.With("worker", worker) }
	up, err := setup.Read[uploads.Config](h.settings(queueUploads))
	if err != nil {
		return fmt.Errorf("uploads: %w", err)
	}
	if h.workers.uploads, err = uploads.Build(up, uploads.Clients{S3: h.clients.S3, SQS: h.clients.SQS}, log("uploads")); err != nil {
		return fmt.Errorf("uploads: %w", err)
	}
	ch, err := setup.Read[changes.Config](h.settings("changes"))
	if err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	if h.workers.changes, err = changes.Build(ch, changes.Clients{SQS: h.clients.SQS, DeadLetters: h.clients.S3}, log("changes")); err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	if h.workers.jobs, err = h.buildMessages(queueJobs, log("messages")); err != nil {
		return err
	}
	h.workers.notifications, err = h.buildMessages(queueNotifications, log("messages"))
	return err
}

func (h *home) buildMessages(queue string, log *slog.Logger) (*messages.Worker, error) {
	c, err := setup.Read[messages.Config](h.settings(queue))
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	w, err := messages.Build(c, messages.Clients{
		Records: h.records, State: h.state, SQS: h.clients.SQS, DeadLetters: h.clients.S3, Outbox: h.outbox, Step: h.options.OrderStep,
		ProcessID: h.address.Token, // jobs and notifications share it: one process owns the file
	}, log.With("queue", queue))
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	w.Use(h.outcome.middleware)
	return w, nil
}

// startWorkers starts what calls the workers, and the tables' housekeeping.
func (h *home) startWorkers(ctx context.Context) error {
	if err := h.buildWorkers(); err != nil {
		return err
	}
	// A process that died held messages; nobody else is at them now.
	for _, wq := range workerQueues {
		if _, err := h.queues.Release(ctx, wq.name); err != nil {
			return err
		}
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	for _, m := range []struct {
		queue   string
		timeout time.Duration
		call    eventsource.Function
	}{
		{queueUploads, timeoutUploads, h.workers.uploads.Invoke},
		{queueJobs, timeoutJobs, h.workers.jobs.Invoke},
		{queueNotifications, timeoutNotifications, h.workers.notifications.Invoke},
	} {
		mapping := &eventsource.QueueMapping{
			Client: h.clients.SQS, QueueURL: h.queues.URL(m.queue), QueueARN: h.queues.ARN(m.queue),
			Function: h.watched(m.queue, m.call), FunctionName: m.queue, Timeout: cmp.Or(h.options.timeout, m.timeout), MaxConcurrency: 2,
			ReportBatchItemFailures: true, DrainLimit: h.options.DrainLimit, Logger: h.log.With("mapping", m.queue),
			MaxAttempts: h.maxAttempts(m.queue),
			CancelPolls: true, // our queues notice, and Release frees what was on its way
		}
		h.runWorker(run, "queue "+m.queue, mapping.Run)
	}
	h.reached = tables.NewCheckpoints(h.db, "changes")
	feed := &eventsource.FeedMapping{
		Feed: h.records.Feed(), Checkpoints: h.reached,
		Function: h.watched("changes", h.workers.changes.Invoke), FunctionName: "changes", Timeout: timeoutChanges,
		Bisect: true, MaxRecordAge: 12 * time.Hour, ReportBatchItemFailures: true, OnFailure: failureBucket{client: h.clients.S3, bucket: bucketFailures, log: h.log}.put,
		DrainLimit: h.options.DrainLimit, Logger: h.log.With("mapping", "changes"),
	}
	h.runWorker(run, "changes", feed.Run)
	h.run(run, "table "+tableRecords, h.records.Run)
	h.run(run, "table "+tableState, h.state.Run)
	return nil
}

// maxAttempts is a worker's MAX_ATTEMPTS, which the worker has read before.
func (h *home) maxAttempts(queue string) int {
	n, _ := strconv.Atoi(cmp.Or(h.settings(queue)["MAX_ATTEMPTS"], strconv.Itoa(setup.MaxAttempts)))
	return n
}

func (h *home) runWorker(ctx context.Context, what string, f func(context.Context) error) {
	h.workers.done.Add(1)
	h.run(ctx, what, func(ctx context.Context) error {
		defer h.workers.done.Done()
		return f(ctx)
	})
}

// watched tells a test of each answer.
func (h *home) watched(worker string, call eventsource.Function) eventsource.Function {
	if h.options.answered == nil {
		return call
	}
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		answer, err := call(ctx, payload)
		h.options.answered(worker)
		return answer, err
	}
}
