// Package runner runs the batches of a worker's Lambda events: it decodes the
// event, runs the worker's handler on each record, and encodes the response.
// Attempts, delays and dead letters follow the same rules for all workers.
//
// It is apart from package setup so that a worker without queues does not link
// the clients of SQS and S3.
package runner

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/setup"
)

// Config has the settings and clients of a Runner.
type Config struct {
	// Worker is the worker's name. Dead letters carry it, and long ones are
	// stored under it.
	Worker string
	// Kinds are the kinds of events that the worker accepts.
	Kinds []lambdaevent.Kind
	// Parallel, MaxAttempts and Reserve are those of pipeline.Options.
	Parallel    int
	MaxAttempts int
	Reserve     time.Duration

	SQS sqsqueue.Client
	// SourceQueueURL is the queue that the events come from. If it is empty, a
	// failed record waits for its visibility timeout.
	SourceQueueURL string
	// DeadLetterQueueURL is the queue of dead letters. If it is empty, a permanent
	// error is a failure like any other.
	DeadLetterQueueURL string
	// DeadLetterBucket and Objects store the bodies of dead letters over 200 KB.
	// If the bucket is empty, such a record is a failure. Objects may then be nil.
	DeadLetterBucket string
	Objects          sqsqueue.DeadLetterStore

	// Connect are what a warm-up calls to connect the worker's clients. Each
	// needs no permission that the worker's records do not.
	Connect []func(context.Context) error
}

// Runner runs a worker's batches. Safe for concurrent use.
type Runner struct {
	Options     pipeline.Options // of each batch
	deadLetters sqsqueue.DeadLetters
	kinds       []lambdaevent.Kind
	connect     []func(context.Context) error
	log         *slog.Logger
}

// New returns a Runner that logs to log. A nil log discards.
func New(c Config, log *slog.Logger) *Runner {
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	r := &Runner{
		Options: pipeline.Options{
			Worker: c.Worker, Parallel: c.Parallel, MaxAttempts: c.MaxAttempts, Reserve: c.Reserve, Backoff: setup.Backoff, Logger: log,
		},
		deadLetters: sqsqueue.DeadLetters{
			Client: c.SQS, URL: c.DeadLetterQueueURL, Worker: c.Worker, Objects: c.Objects, Bucket: c.DeadLetterBucket,
		},
		kinds:   slices.Clone(c.Kinds),
		connect: slices.Clone(c.Connect),
		log:     log,
	}
	if c.DeadLetterQueueURL != "" {
		r.Options.DeadLetter = r.deadLetters.Write
	}
	if c.SourceQueueURL != "" {
		r.Options.Delay = sqsqueue.Queue{Client: c.SQS, URL: c.SourceQueueURL}.Delay
	}
	return r
}

// OpenDeadLetters is a middleware that restores the original body of a dead
// letter which was redriven to the worker's queue.
func (r *Runner) OpenDeadLetters(h pipeline.Handler) pipeline.Handler { return r.deadLetters.Open(h) }

// Run runs h on each record of a Lambda event and returns the response to
// Lambda. A warm-up has no records: Run connects the clients.
//
// If all records of a batch from a queue fail, and there are two or more, Run
// returns an error, which slows Lambda's polling. A single failed record says
// little about the services that the worker depends on, so it neither slows the
// polling nor triggers the alarm on errors.
func (r *Runner) Run(ctx context.Context, payload []byte, h pipeline.Handler) ([]byte, error) {
	if setup.IsWarmUp(payload) {
		return setup.WarmUp(ctx, r.log, r.connect...), nil
	}
	batch, err := lambdaevent.Decode(payload, r.kinds...)
	if err != nil {
		return nil, err
	}
	options := r.Options
	options.Order = batch.Order
	if batch.Kind == lambdaevent.SQS {
		options.ErrorIfAllFailed = len(batch.Records) > 1
	} else {
		options.Delay = nil // only a queue can delay a record
	}
	return batch.Response(pipeline.Run(ctx, batch.Records, h, options))
}
