package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/leases"
	"sluice/deploy/eventsource/streamfeed"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

// awsOptions is how the workers run over AWS without Lambda.
type awsOptions struct {
	Environ    map[string]string
	Functions  []string // which of awsFunctions; empty is all
	DrainLimit time.Duration
	Logger     *slog.Logger
}

// onAWS is one copy of the workers over SQS, DynamoDB and its stream, and S3.
// Several copies may run: queues share by themselves, shards by leases.
type onAWS struct {
	options awsOptions
	config  awsConfig
	log     *slog.Logger

	sqs     *sqs.Client
	db      *dynamodb.Client
	streams *dynamodbstreams.Client
	s3      *s3.Client

	queues      []*eventsource.QueueMapping
	feed        *eventsource.FeedMapping
	checkpoints *leases.Checkpoints // nil where changes is not asked for
	health      health
	stream      *streamWatch    // nil where changes is not asked for
	vitals      []func() string // each says what is wrong, "" when nothing is
}

// runAWS runs the workers until ctx ends, then waits up to the drain limit for
// what is in hand. Everything that is wrong with the settings is told at once,
// and so is everything that AWS says at the start.
func runAWS(ctx context.Context, o awsOptions) error {
	a := &onAWS{options: o, log: o.Logger}
	functions, err := a.build(ctx)
	if err != nil {
		return err
	}
	if err := a.connect(ctx, functions); err != nil {
		return err
	}
	return a.run(ctx)
}

// function is one of awsFunctions, built.
type function struct {
	awsFunction
	settings functionConfig
	call     eventsource.Function
}

// build reads all settings and builds the workers as their Lambda mains do. It
// asks nothing of AWS.
func (a *onAWS) build(ctx context.Context) ([]function, error) {
	var problems []error
	add := func(name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	wanted, err := chooseFunctions(a.options.Functions)
	if err != nil {
		return nil, err
	}
	a.config, err = setup.Read[awsConfig](a.options.Environ)
	add("-aws", err)
	var functions []function
	for _, f := range wanted {
		environ := f.environ(a.options.Environ)
		if f.queueVariable != "" && a.options.Environ[f.queueVariable] == "" {
			add(f.name, fmt.Errorf("configuration: %s is required", f.queueVariable))
		}
		settings, err := setup.Read[functionConfig](environ)
		add(f.name, err)
		call, err := f.build(ctx, environ)
		add(f.name, err)
		functions = append(functions, function{awsFunction: f, settings: settings, call: call})
	}
	if slices.ContainsFunc(wanted, func(f awsFunction) bool { return f.name == functionChanges }) {
		add(functionChanges, a.config.validateTables())
	}
	cfg, err := setup.AWS(ctx)
	add("-aws", err)
	if err == nil && cfg.Region == "" {
		add("-aws", errors.New("configuration: AWS_REGION is required"))
	}
	a.sqs, a.s3 = sqs.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	a.db, a.streams = dynamodb.NewFromConfig(cfg), dynamodbstreams.NewFromConfig(cfg)
	return functions, errors.Join(problems...)
}

// connect finds the queues' and the stream's ARNs and makes the mappings.
func (a *onAWS) connect(ctx context.Context, functions []function) error {
	var problems []error
	for _, f := range functions {
		var err error
		if f.name == functionChanges {
			err = a.mapStream(ctx, f)
		} else {
			err = a.mapQueue(ctx, f)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	return errors.Join(problems...)
}

func (a *onAWS) mapQueue(ctx context.Context, f function) error {
	url := a.options.Environ[f.queueVariable]
	queueARN, err := queueARN(ctx, a.sqs, url)
	if err != nil {
		return err
	}
	var receives pulse
	a.vitals = append(a.vitals, func() string { return receives.problem(f.name + ": receive") })
	a.queues = append(a.queues, &eventsource.QueueMapping{
		Client: pulsedQueue{a.sqs, &receives}, QueueURL: url, QueueARN: queueARN,
		Function: a.follow(f), MaxAbandoned: maxAbandoned, FunctionName: f.name, Timeout: f.settings.Timeout, MaxConcurrency: f.settings.Concurrency,
		MaxAttempts:             f.settings.MaxAttempts,
		ReportBatchItemFailures: true, DrainLimit: a.options.DrainLimit, Logger: a.log.With("mapping", f.name),
	})
	return nil
}

// mapStream reads the table's stream as deploy/aws has Lambda read it. Changes
// that nobody could announce for too long go to the letter bucket; without one
// they hold their shard up until they fall off the stream.
func (a *onAWS) mapStream(ctx context.Context, f function) error {
	arn, err := streamARN(ctx, a.db, a.config.RecordsTable)
	if err != nil {
		return err
	}
	state := dynamotable.New(a.db, a.config.StateTable, dynamotable.Options{})
	// A table that is not there, or may not be read, is a problem now, and not
	// one line in the log every five seconds.
	if _, err := state.Get(ctx, pipeline.Key{PK: "lease#", SK: "-"}); err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return err
	}
	a.checkpoints = leases.New(state, arn, leases.Options{Lease: a.config.Lease, Logger: a.log.With("mapping", f.name)})
	var lists, reads pulse
	a.vitals = append(a.vitals,
		func() string { return lists.problem(f.name + ": list the shards") },
		func() string { return reads.problem(f.name + ": read the stream") },
		a.heartbeat,
	)
	a.stream = &streamWatch{arn: arn, log: a.log, current: func(ctx context.Context) (string, error) {
		return streamARN(ctx, a.db, a.config.RecordsTable)
	}}
	a.vitals = append(a.vitals, a.stream.problem)
	a.feed = &eventsource.FeedMapping{
		Feed: pulsedFeed{streamfeed.New(a.streams, arn), &lists, &reads}, Checkpoints: a.checkpoints,
		Function: a.follow(f), MaxAbandoned: maxAbandoned, FunctionName: f.name, Timeout: f.settings.Timeout,
		Bisect: true, ReportBatchItemFailures: true,
		DrainLimit: a.options.DrainLimit, Logger: a.log.With("mapping", f.name),
	}
	if bucket := a.config.DeadLetterBucket; bucket != "" {
		a.feed.MaxRecordAge = maxChangeAge
		a.feed.OnFailure = failureBucket{client: a.s3, bucket: bucket, log: a.log}.put
	}
	return nil
}

// follow is a function whose invocations the health page knows.
func (a *onAWS) follow(f function) eventsource.Function {
	var invocations pulse
	a.vitals = append(a.vitals, func() string {
		if n := invocations.overdue(f.settings.Timeout + time.Second); n >= maxAbandoned {
			return fmt.Sprintf("%s: %d invocations run past their deadline: no more are started", f.name, n)
		}
		return ""
	})
	return pulsedFunction(f.call, &invocations)
}

// heartbeat says when other copies may take this one's shards.
func (a *onAWS) heartbeat() string {
	if a.checkpoints.Alive() {
		return ""
	}
	return fmt.Sprintf("%s: no good heartbeat in table %q: other copies may read its shards", functionChanges, a.config.StateTable)
}

// problems is what the health page says is wrong.
func (a *onAWS) problems() []string {
	var all []string
	for _, vital := range a.vitals {
		if p := vital(); p != "" {
			all = append(all, p)
		}
	}
	return all
}

// run starts the mappings and waits for all of them. One that ends by itself
// ends the others: half a copy would look like a whole one.
func (a *onAWS) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() {
		a.health.drain()
		a.log.Info("stopping", "drain", a.options.DrainLimit)
	})
	var mu sync.Mutex
	var problems []error
	var running sync.WaitGroup
	start := func(what string, f func(context.Context) error) {
		running.Go(func() {
			defer stop()
			if err := f(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if a.config.HealthAddr != "" {
		served, err := a.health.serve(ctx, a.config.HealthAddr, a.describe, a.problems)
		if err != nil {
			return err
		}
		defer func() { <-served }()
		defer a.health.close()
	}
	for _, m := range a.queues {
		a.log.Info("mapping", "queue", m.QueueARN, "function", m.FunctionName)
		start(m.FunctionName, m.Run)
	}
	if a.feed != nil {
		a.log.Info("mapping", "stream", a.feed.Feed.ARN(), "function", a.feed.FunctionName, "copy", a.checkpoints.Owner())
		start(a.feed.FunctionName, a.runFeed)
	}
	running.Wait()
	return errors.Join(problems...)
}

// runFeed keeps the leases alive as long as the mapping runs, its drain
// included, and gives them back after it.
func (a *onAWS) runFeed(ctx context.Context) error {
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	left := make(chan error, 1)
	go func() { left <- a.checkpoints.Run(alive) }()
	go a.stream.run(alive)
	err := a.feed.Run(ctx)
	end()
	return errors.Join(err, <-left)
}

// describe is what the health page tells.
func (a *onAWS) describe() map[string]any {
	d := map[string]any{}
	var names []string
	for _, m := range a.queues {
		names = append(names, m.FunctionName)
	}
	if a.feed != nil {
		names = append(names, a.feed.FunctionName)
		d["copy"], d["shards"] = a.checkpoints.Owner(), a.checkpoints.Held()
	}
	d["functions"] = names
	return d
}

// builders of the workers: their Lambda mains' own.
func buildUploads(ctx context.Context, environ map[string]string) (eventsource.Function, error) {
	return invoke(uploads.New(ctx, environ))
}

func buildMessages(ctx context.Context, environ map[string]string) (eventsource.Function, error) {
	return invoke(messages.New(ctx, environ))
}

func buildChanges(ctx context.Context, environ map[string]string) (eventsource.Function, error) {
	return invoke(changes.New(ctx, environ))
}

// invoke is a worker's function, unless it could not be built.
func invoke[W interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}](w W, err error,
) (eventsource.Function, error) {
	if err != nil {
		return nil, err
	}
	return w.Invoke, nil
}
