package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/leases"
)

// awsConfig is what -aws reads from the environment beside what the workers do.
type awsConfig struct {
	RecordsTable     string        `env:"RECORDS_TABLE"`          // whose stream is read
	StateTable       string        `env:"STATE_TABLE"`            // where leases and checkpoints are
	DeadLetterBucket string        `env:"LETTER_BUCKET"`          // for changes that are given up
	Lease            time.Duration `env:"LEASE" envDefault:"30s"` // the longest a shard stands still when its copy dies
	HealthAddr       string        `env:"HEALTH_ADDR"`            // host:port of GET /healthz; empty has none
}

// Validate reports what no lease can be.
func (c awsConfig) Validate() error {
	if c.Lease < leases.MinLease {
		return fmt.Errorf("LEASE: %v is less than %v", c.Lease, leases.MinLease)
	}
	return nil
}

// validateTables reports the tables that reading a stream needs.
func (c awsConfig) validateTables() error {
	var problems []error
	if c.RecordsTable == "" {
		problems = append(problems, errors.New("RECORDS_TABLE is required"))
	}
	if c.StateTable == "" {
		problems = append(problems, errors.New("STATE_TABLE is required"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("configuration: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// functionConfig is what Lambda's own settings of a function are here.
type functionConfig struct {
	Timeout     time.Duration `env:"TIMEOUT" envDefault:"60s"`    // a sixth of the queue's visibility, or less
	Concurrency int           `env:"CONCURRENCY" envDefault:"5"`  // invocations at a time; a stream's shard has one
	MaxAttempts int           `env:"MAX_ATTEMPTS" envDefault:"8"` // the worker's own, to compare with the queue's
}

// Validate reports what a mapping would refuse.
func (c functionConfig) Validate() error {
	var problems []error
	if c.Timeout < time.Second || c.Timeout > eventsource.MaxTimeout {
		problems = append(problems, fmt.Errorf("TIMEOUT: %v is not between 1s and %v", c.Timeout, eventsource.MaxTimeout))
	}
	if c.Concurrency < 2 || c.Concurrency > 1000 {
		problems = append(problems, fmt.Errorf("CONCURRENCY: %d is not between 2 and 1000", c.Concurrency))
	}
	return errors.Join(problems...)
}

// awsFunction is a worker with its source.
type awsFunction struct {
	name          string
	queueVariable string // "" is the stream of RECORDS_TABLE
	build         func(ctx context.Context, environ map[string]string) (eventsource.Function, error)
}

const functionChanges = "changes"

var awsFunctions = []awsFunction{
	{"uploads", "UPLOADS_QUEUE_URL", buildUploads},
	{"jobs", "JOBS_QUEUE_URL", buildMessages},
	{"notifications", "NOTIFICATIONS_QUEUE_URL", buildMessages},
	{functionChanges, "", buildChanges},
}

// chooseFunctions returns those with these names, or all.
func chooseFunctions(names []string) ([]awsFunction, error) {
	if len(names) == 0 {
		return awsFunctions, nil
	}
	var chosen []awsFunction
	for _, name := range names {
		i := slices.IndexFunc(awsFunctions, func(f awsFunction) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-aws: no function %q: there are uploads, jobs, notifications and changes", name)
		}
		if !slices.ContainsFunc(chosen, func(f awsFunction) bool { return f.name == name }) {
			chosen = append(chosen, awsFunctions[i])
		}
	}
	return chosen, nil
}

// environ is the function's own environment, as it would have one in Lambda: the
// process's, in which a variable with the function's name in front stands over
// the one without, as JOBS_PARALLEL over PARALLEL.
func (f awsFunction) environ(all map[string]string) map[string]string {
	own := maps.Clone(all)
	for name, value := range all {
		if short, ok := strings.CutPrefix(name, strings.ToUpper(f.name)+"_"); ok && short != "" {
			own[short] = value
		}
	}
	delete(own, "SOURCE_QUEUE_URL")
	if f.queueVariable != "" {
		own["SOURCE_QUEUE_URL"] = all[f.queueVariable]
	}
	return own
}
