package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/failurebucket"
	"sluice/deploy/eventsource/leases"
	"sluice/deploy/eventsource/streamfeed"
	"sluice/deploy/functions"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/workers/setup"
)

// options of a container.
type options struct {
	Environ    map[string]string
	Functions  []string // names; empty is all functions
	DrainLimit time.Duration
	Logger     *slog.Logger
}

// container is one copy of the functions over SQS, DynamoDB and its stream,
// and S3.
type container struct {
	options  options
	settings settings
	log      *slog.Logger

	aws     aws.Config
	sqs     *sqs.Client
	db      *dynamodb.Client
	streams *dynamodbstreams.Client
	s3      *s3.Client

	queues      []*eventsource.QueueMapping
	feed        *eventsource.FeedMapping
	api         *apiServer          // nil without the function api
	checkpoints *leases.Checkpoints // nil without a function on the stream
	stream      *streamWatch        // nil without a function on the stream
	health      health
	checks      []func() string // health checks: each returns a problem, or ""
}

// builtFunction is a function with its configuration and its worker.
type builtFunction struct {
	functions.Function
	config functionConfig
	worker functions.Worker
}

// runContainer runs the functions until ctx ends, then waits up to the drain
// limit for work in progress. It reports all problems of the settings together,
// and all problems that AWS reports at the start.
func runContainer(ctx context.Context, o options) error {
	c := &container{options: o, log: o.Logger}
	built, err := c.build(ctx)
	if err != nil {
		return err
	}
	if err := c.connect(ctx, built); err != nil {
		return err
	}
	return c.run(ctx)
}

// build reads all settings and builds the functions as their Lambda mains do.
// It sends no request to AWS.
func (c *container) build(ctx context.Context) ([]builtFunction, error) {
	var problems []error
	add := func(name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	wanted, err := chooseFunctions(c.options.Functions, c.options.Environ["API_ADDR"])
	if err != nil {
		return nil, err
	}
	c.settings, err = setup.Read[settings](c.options.Environ)
	add("container", err)
	c.aws, err = setup.AWS(ctx)
	add("container", err)
	if err == nil && c.aws.Region == "" {
		add("container", errors.New("configuration: AWS_REGION is required"))
	}
	c.sqs = sqs.NewFromConfig(c.aws)
	c.s3 = s3.NewFromConfig(c.aws, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true // a line for each object without a checksum
	})
	c.db, c.streams = dynamodb.NewFromConfig(c.aws), dynamodbstreams.NewFromConfig(c.aws)
	var built []builtFunction
	for _, f := range wanted {
		environ := environOf(f, c.options.Environ)
		if name := f.QueueVariable(); name != "" && c.options.Environ[name] == "" {
			add(f.Name, fmt.Errorf("configuration: %s is required", name))
		}
		own, err := setup.Read[functionConfig](environ)
		add(f.Name, err)
		w, err := f.Build(functions.Backends{
			Settings: environ, AWS: &c.aws, S3: c.s3, SQS: c.sqs, Records: c.table(environ["RECORDS_TABLE"]), State: c.table(environ["STATE_TABLE"]),
			Logger: setup.Logger(f.Worker),
		})
		add(f.Name, err)
		if f.Source.Stream != "" {
			add(f.Name, c.settings.validateTables())
		}
		if f.Source.HTTP && c.settings.APIAddr == "" {
			add(f.Name, errors.New("configuration: API_ADDR is required"))
		}
		built = append(built, builtFunction{f, own, w})
	}
	return built, errors.Join(problems...)
}

func (c *container) table(name string) pipeline.Table {
	return dynamotable.New(c.db, name, dynamotable.Options{})
}

// connect finds the ARNs of the queues and the stream and makes the mappings.
func (c *container) connect(ctx context.Context, built []builtFunction) error {
	var problems []error
	for _, f := range built {
		connect := c.mapQueue
		if f.Source.Stream != "" {
			connect = c.mapStream
		}
		if f.Source.HTTP {
			connect = c.mapHTTP
		}
		if err := connect(ctx, f); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Name, err))
		}
	}
	return errors.Join(problems...)
}

func (c *container) mapQueue(ctx context.Context, f builtFunction) error {
	url := c.options.Environ[f.QueueVariable()]
	queueARN, err := queueARN(ctx, c.sqs, url)
	if err != nil {
		return err
	}
	var receives callMonitor
	c.checks = append(c.checks, func() string { return receives.problem(f.Name + ": receive") })
	c.queues = append(c.queues, &eventsource.QueueMapping{
		Client: monitoredQueue{c.sqs, &receives}, QueueURL: url, QueueARN: queueARN,
		Function: c.monitored(f), MaxAbandoned: maxAbandoned, FunctionName: f.Name, Timeout: f.config.Timeout, MaxConcurrency: f.config.Concurrency,
		MaxAttempts:             f.config.MaxAttempts,
		ReportBatchItemFailures: true, DrainLimit: c.options.DrainLimit, Logger: c.log.With("mapping", f.Name),
	})
	return nil
}

// mapStream reads the table's stream as deploy/aws configures Lambda to. Changes
// older than maxRecordAge go to the bucket of dead letters. Without a bucket
// they block their shard until the stream drops them.
func (c *container) mapStream(ctx context.Context, f builtFunction) error {
	arn, err := streamARN(ctx, c.db, c.settings.RecordsTable)
	if err != nil {
		return err
	}
	state := c.table(c.settings.StateTable)
	// A table that is missing, or may not be read, fails the start.
	if _, err := state.Get(ctx, pipeline.Key{PK: "lease#", SK: "-"}); err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return err
	}
	c.checkpoints = leases.New(state, arn, leases.Options{Lease: c.settings.Lease, Logger: c.log.With("mapping", f.Name)})
	c.stream = &streamWatch{function: f.Name, arn: arn, log: c.log, current: func(ctx context.Context) (string, error) {
		return streamARN(ctx, c.db, c.settings.RecordsTable)
	}}
	var lists, reads callMonitor
	c.checks = append(c.checks,
		func() string { return lists.problem(f.Name + ": list the shards") },
		func() string { return reads.problem(f.Name + ": read the stream") },
		func() string { return c.heartbeatProblem(f.Name) },
		c.stream.problem,
	)
	c.feed = &eventsource.FeedMapping{
		Feed: monitoredFeed{streamfeed.New(c.streams, arn), &lists, &reads}, Checkpoints: c.checkpoints,
		Function: c.monitored(f), MaxAbandoned: maxAbandoned, FunctionName: f.Name, Timeout: f.config.Timeout,
		Bisect: true, ReportBatchItemFailures: true,
		DrainLimit: c.options.DrainLimit, Logger: c.log.With("mapping", f.Name),
	}
	if bucket := c.settings.DeadLetterBucket; bucket != "" {
		c.feed.MaxRecordAge = maxRecordAge
		c.feed.OnFailure = failurebucket.Bucket{Client: c.s3, Name: bucket, Function: f.Name, Logger: c.log}.Put
	}
	return nil
}

// monitored is a function with a health check of its invocations.
func (c *container) monitored(f builtFunction) eventsource.Function {
	var invocations callMonitor
	c.checks = append(c.checks, func() string {
		if n := invocations.overdue(f.config.Timeout + time.Second); n >= maxAbandoned {
			return fmt.Sprintf("%s: %d invocations run past their deadline: no more are started", f.Name, n)
		}
		return ""
	})
	return monitoredFunction(f.worker.Invoke, &invocations)
}

// heartbeatProblem reports that other copies may take this copy's shards.
func (c *container) heartbeatProblem(function string) string {
	if c.checkpoints.Alive() {
		return ""
	}
	return fmt.Sprintf("%s: no heartbeat succeeds in table %q: other copies may read its shards", function, c.settings.StateTable)
}

// problems are those of all health checks.
func (c *container) problems() []string {
	var all []string
	for _, check := range c.checks {
		if p := check(); p != "" {
			all = append(all, p)
		}
	}
	return all
}

// run starts the mappings and waits for all of them. A mapping that ends by
// itself ends the others: a copy runs all of its functions or none.
func (c *container) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() {
		c.health.drain()
		c.log.Info("stopping", "drain", c.options.DrainLimit)
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
	if c.settings.HealthAddr != "" {
		served, err := c.health.serve(ctx, c.settings.HealthAddr, c.describe, c.problems)
		if err != nil {
			return err
		}
		defer func() { <-served }()
		defer c.health.close()
	}
	for _, m := range c.queues {
		c.log.Info("mapping", "queue", m.QueueARN, "function", m.FunctionName)
		start(m.FunctionName, m.Run)
	}
	if c.feed != nil {
		c.log.Info("mapping", "stream", c.feed.Feed.ARN(), "function", c.feed.FunctionName, "copy", c.checkpoints.Owner())
		start(c.feed.FunctionName, c.runFeed)
	}
	if c.api != nil {
		c.log.Info("serving", "address", c.api.listener.Addr().String(), "function", c.api.name)
		start(c.api.name, c.api.run)
	}
	running.Wait()
	return errors.Join(problems...)
}

// runFeed keeps the leases while the mapping runs, its drain included, and
// releases them after it.
func (c *container) runFeed(ctx context.Context) error {
	leased, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	released := make(chan error, 1)
	go func() { released <- c.checkpoints.Run(leased) }()
	go c.stream.run(leased)
	err := c.feed.Run(ctx)
	release()
	return errors.Join(err, <-released)
}

// describe is the content of the health page.
func (c *container) describe() map[string]any {
	d := map[string]any{}
	var names []string
	for _, m := range c.queues {
		names = append(names, m.FunctionName)
	}
	if c.feed != nil {
		names = append(names, c.feed.FunctionName)
		d["copy"], d["shards"] = c.checkpoints.Owner(), c.checkpoints.Held()
	}
	if c.api != nil {
		names = append(names, c.api.name)
	}
	d["functions"] = names
	return d
}
