package eventsource

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Limits and defaults of a feed's mapping.
const (
	defaultFeedBatch = 100
	maxFeedBatch     = 10_000
	minRecordAge     = 60 * time.Second
	maxRecordAge     = 604_800 * time.Second
	maxFactor        = 10
	shardRefresh     = 5 * time.Second
)

// FeedMapping is an event source mapping from a change feed to a function. It
// starts each shard that has no checkpoint at its oldest record, as a
// StartingPosition of TRIM_HORIZON does, and retries a batch until its records
// are too old, as a MaximumRetryAttempts of -1 does.
//
// It reads each shard in order and invokes its batches one after the other or,
// with a ParallelizationFactor, several at a time in the order of each key. The
// checkpoint follows the records that are done. If the process dies, records
// that were done after the last checkpoint are delivered again: delivery is at
// least once. The fields must not change after Run was called, and only one Run
// of a value may be active at a time.
type FeedMapping struct {
	Feed         Feed
	Checkpoints  Checkpoints
	Function     Function
	FunctionName string
	// Timeout is the deadline of an invocation, 1 s to 15 min. Zero means
	// Lambda's 3 s.
	Timeout time.Duration
	// BatchSize is the maximum number of records of an event, up to 10,000.
	// Zero means 100.
	BatchSize int
	// MaxRecordAge is the age, 60 s to 7 days, beyond which records are given
	// up: they go to OnFailure instead of the function. Zero means no limit: a
	// record that always fails blocks its shard until it is trimmed.
	MaxRecordAge time.Duration
	// Bisect splits a batch that failed in two halves and invokes each by
	// itself.
	Bisect bool
	// ParallelizationFactor is the number of batches of a shard that may run at
	// the same time, 1 to 10. Zero means 1.
	ParallelizationFactor int
	// ReportBatchItemFailures reads the failures that a response names: all
	// records from the first failure on are retried. If it is false, every
	// response means success.
	ReportBatchItemFailures bool
	// OnFailure receives the records that are given up; the shard then
	// continues. It is retried until it returns nil, so that no record is lost.
	// If it is nil, the records are only logged.
	OnFailure func(ctx context.Context, f Failure) error
	// DrainLimit is how long Run waits for running invocations after its
	// context has ended. Zero means the Timeout. Run may take 2 s more to save
	// its checkpoints.
	DrainLimit time.Duration
	// MaxAbandoned is the number of invocations that may run past their
	// deadline before no more are started. Zero means 10.
	MaxAbandoned int
	// Backoff paces retries. Nil doubles from 200 ms to 30 s.
	Backoff Backoff
	// Logger receives problems. Nil discards them.
	Logger *slog.Logger
}

// withDefaults returns a copy with defaults filled in.
func (m *FeedMapping) withDefaults() FeedMapping {
	d := *m
	d.Timeout = cmp.Or(d.Timeout, defaultTimeout)
	d.BatchSize = cmp.Or(d.BatchSize, defaultFeedBatch)
	d.ParallelizationFactor = cmp.Or(d.ParallelizationFactor, 1)
	d.DrainLimit = cmp.Or(d.DrainLimit, d.Timeout)
	d.MaxAbandoned = cmp.Or(d.MaxAbandoned, defaultMaxAbandoned)
	if d.Backoff == nil {
		d.Backoff = defaultBackoff
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

// Validate returns all that Lambda would refuse in the mapping: a join of
// [*FieldError].
func (m *FeedMapping) Validate() error {
	d := m.withDefaults()
	var p problems
	source := ""
	if d.Feed == nil {
		p.refuse(true, "Feed", "is required")
	} else {
		source = d.Feed.ARN()
		_, err := arn.Parse(source)
		p.refuse(err != nil, "Feed", "got the ARN %q, want one such as arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/TIME", source)
	}
	p.refuse(d.Checkpoints == nil, "Checkpoints", "is required")
	p.refuse(d.MaxRecordAge != 0 && (d.MaxRecordAge < minRecordAge || d.MaxRecordAge > maxRecordAge), "MaxRecordAge",
		"got %v, want 0 (no limit) or %v to %v", d.MaxRecordAge, minRecordAge, maxRecordAge)
	p.refuse(d.ParallelizationFactor < 1 || d.ParallelizationFactor > maxFactor, "ParallelizationFactor",
		"got %d, want 1 to %d", d.ParallelizationFactor, maxFactor)
	p.refuse(d.BatchSize < 1 || d.BatchSize > maxFeedBatch, "BatchSize", "got %d, want 1 to %d", d.BatchSize, maxFeedBatch)
	p.refuseCommon(d.Function, d.FunctionName, d.Timeout, d.DrainLimit, d.MaxAbandoned)
	return p.join(source)
}

// Run validates the mapping and reads the feed until ctx ends. It then starts
// no more invocations, waits up to DrainLimit for those that run, processes
// their responses and saves the checkpoints.
//
// It returns nil after a complete drain, a [*LeftError] if invocations were
// still running, an error for each checkpoint that could not be saved, or the
// error of Validate.
func (m *FeedMapping) Run(ctx context.Context) error {
	if err := m.Validate(); err != nil {
		return err
	}
	d := m.withDefaults()
	source, _ := arn.Parse(d.Feed.ARN())
	d.Logger = d.Logger.With("source", d.Feed.ARN(), "function", d.FunctionName)
	r := &feedRun{
		FeedMapping: d,
		invoker:     newInvoker(d.Function, functionARN(source, d.FunctionName), d.Timeout, d.MaxAbandoned, d.Logger),
		active:      make(map[string]bool),
		finished:    make(map[string]bool),
		wake:        make(chan struct{}, 1),
	}
	r.leases, _ = d.Checkpoints.(Leases)
	return r.run(ctx)
}
