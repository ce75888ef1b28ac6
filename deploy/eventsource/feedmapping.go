package eventsource

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// StartingPosition says where a mapping starts in a feed that it has no checkpoint for.
type StartingPosition string

// Lambda's starting positions. Children that appear later are always read from their beginning.
const (
	TrimHorizon   StartingPosition = "TRIM_HORIZON" // the oldest record there is; also what "" means
	StartAtLatest StartingPosition = Latest         // what is added from the first run on
)

// Limits and defaults of a feed's mapping.
const (
	defaultFeedBatch = 100
	maxAttempts      = 10_001 // Lambda's MaximumRetryAttempts of 10,000, and the first try
	maxRecordAge     = 604_800 * time.Second
	minRecordAge     = 60 * time.Second
	maxFactor        = 10
	shardRefresh     = 5 * time.Second
)

// FeedMapping is an event source mapping from a change feed to a function.
//
// Each shard is read in order and its batches are invoked one after the other, or up to ParallelizationFactor at a time with
// the order of each key kept. The checkpoint follows what is done, and is behind it when the process dies: records come at
// least once. The fields are not changed after Run was called. One value runs once at a time.
type FeedMapping struct {
	Feed         Feed
	Checkpoints  Checkpoints
	Function     Function
	FunctionName string
	// Timeout is the function's deadline, 1 s to 15 min. Zero means Lambda's 3 s.
	Timeout time.Duration
	// BatchSize is the most records of one event, up to 10,000. Zero means 100.
	BatchSize int
	// Window is how long a batch gathers after its first record, up to 300 s. Zero takes what is there.
	Window time.Duration
	// StartingPosition is for shards without a checkpoint. Empty means TrimHorizon. StartAtLatest is refused with Checkpoints
	// that are [Leases].
	StartingPosition StartingPosition
	// MaxAttempts is how often a batch is tried before its records go to OnFailure: Lambda's MaximumRetryAttempts plus one.
	// Zero has no limit, Lambda's -1: a poison record blocks its shard until it is trimmed.
	MaxAttempts int
	// MaxRecordAge sends records that are older to OnFailure instead of the function, 60 s to 7 days. Zero has no limit.
	MaxRecordAge time.Duration
	// Bisect splits a batch that failed in two and tries each half by itself, without using up attempts.
	Bisect bool
	// ParallelizationFactor is how many batches of one shard run at the same time, 1 to 10. Zero means 1.
	ParallelizationFactor int
	// ReportBatchItemFailures obeys the failures an answer names: everything from the lowest on is tried again.
	// Without it every answer means success.
	ReportBatchItemFailures bool
	// OnFailure takes records that are given up; then the shard goes on. It is called again until it returns nil, so that
	// nothing is lost. Nil only logs them.
	OnFailure func(ctx context.Context, f Failure) error
	// Filters are FilterCriteria patterns over a record. What matches none of them is passed over.
	Filters []string
	// DrainLimit is how long Run waits for running invocations after its context ended. Zero means the Timeout. Run takes up
	// to 2 s more to save its checkpoints.
	DrainLimit time.Duration
	// MaxAbandoned is how many invocations may run on past their deadline before no more are started. Zero means 10.
	MaxAbandoned int
	// Backoff paces retries. Nil doubles from 200 ms to 30 s.
	Backoff Backoff
	// Logger gets what went wrong. Nil discards.
	Logger *slog.Logger
}

func (m *FeedMapping) withDefaults() FeedMapping {
	d := *m
	if d.Timeout == 0 {
		d.Timeout = defaultTimeout
	}
	if d.BatchSize == 0 {
		d.BatchSize = defaultFeedBatch
	}
	if d.StartingPosition == "" {
		d.StartingPosition = TrimHorizon
	}
	if d.ParallelizationFactor == 0 {
		d.ParallelizationFactor = 1
	}
	if d.DrainLimit == 0 {
		d.DrainLimit = d.Timeout
	}
	if d.MaxAbandoned == 0 {
		d.MaxAbandoned = defaultMaxAbandoned
	}
	if d.Backoff == nil {
		d.Backoff = defaultBackoff
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

// Validate returns everything that Lambda would refuse in the mapping, at once: a join of [*FieldError].
func (m *FeedMapping) Validate() error {
	d := m.withDefaults()
	var p problems
	source := ""
	if d.Feed == nil {
		p.refuse(true, "Feed", "missing")
	} else {
		source = d.Feed.ARN()
		_, err := arn.Parse(source)
		p.refuse(err != nil, "Feed", "%q is not an ARN", source)
	}
	p.refuse(d.Checkpoints == nil, "Checkpoints", "missing")
	p.refuse(d.StartingPosition != TrimHorizon && d.StartingPosition != StartAtLatest, "StartingPosition",
		"%q is not %s or %s", d.StartingPosition, TrimHorizon, StartAtLatest)
	_, shared := d.Checkpoints.(Leases)
	p.refuse(d.StartingPosition == StartAtLatest && shared, "StartingPosition",
		"%s is not possible with checkpoints that copies share: which of them sees a new shard first would decide what is read", StartAtLatest)
	p.refuse(d.MaxAttempts < 0 || d.MaxAttempts > maxAttempts, "MaxAttempts",
		"%d is not within 0 (no limit) to %d", d.MaxAttempts, maxAttempts)
	p.refuse(d.MaxRecordAge != 0 && (d.MaxRecordAge < minRecordAge || d.MaxRecordAge > maxRecordAge), "MaxRecordAge",
		"%v is not 0 (no limit) or within %v to %v", d.MaxRecordAge, minRecordAge, maxRecordAge)
	p.refuse(d.ParallelizationFactor < 1 || d.ParallelizationFactor > maxFactor, "ParallelizationFactor",
		"%d is not within 1 to %d", d.ParallelizationFactor, maxFactor)
	p.shared(d.Function, d.FunctionName, d.Timeout, d.Window, d.DrainLimit, d.BatchSize, d.MaxAbandoned, d.Filters)
	return p.join(source)
}

// Run checks the mapping, then reads the feed until ctx ends. Then it starts nothing more, waits up to DrainLimit for
// running invocations, obeys their answers and saves the checkpoints.
// It returns nil after a complete drain, a [*LeftError] when invocations still ran, an error for each checkpoint that could
// not be saved, or what Validate refuses.
func (m *FeedMapping) Run(ctx context.Context) error {
	if err := m.Validate(); err != nil {
		return err
	}
	d := m.withDefaults()
	source, _ := arn.Parse(d.Feed.ARN())
	d.Logger = d.Logger.With("source", d.Feed.ARN(), "function", d.FunctionName)
	patterns, _ := compileFilters(d.Filters)
	r := &feedRun{
		FeedMapping: d,
		filters:     patterns,
		invoker:     newInvoker(d.Function, functionARN(source, d.FunctionName), d.Timeout, d.MaxAbandoned, d.Logger),
		active:      make(map[string]bool),
		finished:    make(map[string]bool),
		wake:        make(chan struct{}, 1),
	}
	r.leases, _ = d.Checkpoints.(Leases)
	return r.run(ctx)
}
