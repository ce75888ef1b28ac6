package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/leases"
	"sluice/deploy/functions"
)

// settings are what the container reads from the environment beside the settings
// of the functions.
type settings struct {
	RecordsTable     string        `env:"RECORDS_TABLE"`          // its stream is read
	StateTable       string        `env:"STATE_TABLE"`            // leases and checkpoints
	DeadLetterBucket string        `env:"LETTER_BUCKET"`          // changes that are given up
	Lease            time.Duration `env:"LEASE" envDefault:"30s"` // the longest that a shard stops when its copy dies
	APIAddr          string        `env:"API_ADDR"`               // host:port of the function api; empty does not run it
	HealthAddr       string        `env:"HEALTH_ADDR"`            // host:port of GET /healthz; empty has none
}

// Validate reports a lease that is too short.
func (s settings) Validate() error {
	if s.Lease < leases.MinLease {
		return fmt.Errorf("LEASE: got %v, want %v or more", s.Lease, leases.MinLease)
	}
	return nil
}

// validateTables reports missing settings that the stream needs.
func (s settings) validateTables() error {
	var missing []string
	if s.RecordsTable == "" {
		missing = append(missing, "RECORDS_TABLE is required")
	}
	if s.StateTable == "" {
		missing = append(missing, "STATE_TABLE is required")
	}
	if len(missing) > 0 {
		return fmt.Errorf("configuration: %s", strings.Join(missing, "; "))
	}
	return nil
}

// functionConfig has what Lambda configures of a function.
type functionConfig struct {
	Timeout     time.Duration `env:"TIMEOUT" envDefault:"60s"`    // at most a sixth of the queue's visibility timeout
	Concurrency int           `env:"CONCURRENCY" envDefault:"5"`  // invocations at the same time; a stream's shard has one
	MaxAttempts int           `env:"MAX_ATTEMPTS" envDefault:"8"` // the worker's own, to compare with the queue's
}

// Validate reports what a mapping would refuse.
func (c functionConfig) Validate() error {
	var problems []error
	if c.Timeout < time.Second || c.Timeout > eventsource.MaxTimeout {
		problems = append(problems, fmt.Errorf("TIMEOUT: got %v, want 1s to %v", c.Timeout, eventsource.MaxTimeout))
	}
	if c.Concurrency < 2 || c.Concurrency > 1000 {
		problems = append(problems, fmt.Errorf("CONCURRENCY: got %d, want 2 to 1000", c.Concurrency))
	}
	return errors.Join(problems...)
}

// chooseFunctions returns the functions with these names, or all. Without an
// address for it, the function api runs only if it is named.
func chooseFunctions(names []string, apiAddr string) ([]functions.Function, error) {
	if len(names) == 0 {
		if apiAddr == "" {
			return functions.Mapped(), nil
		}
		return functions.All, nil
	}
	var chosen []functions.Function
	for _, name := range names {
		f, err := functions.Named(name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(chosen, func(c functions.Function) bool { return c.Name == name }) {
			chosen = append(chosen, f)
		}
	}
	return chosen, nil
}

// environOf is the environment of a function, as Lambda would give it one:
// JOBS_PARALLEL overrides PARALLEL for jobs.
func environOf(f functions.Function, all map[string]string) map[string]string {
	own := maps.Clone(all)
	for name, value := range all {
		if short, ok := strings.CutPrefix(name, strings.ToUpper(f.Name)+"_"); ok && short != "" {
			own[short] = value
		}
	}
	delete(own, "SOURCE_QUEUE_URL")
	if name := f.QueueVariable(); name != "" {
		own["SOURCE_QUEUE_URL"] = all[name]
	}
	return own
}
