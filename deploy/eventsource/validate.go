package eventsource

import (
	"errors"
	"fmt"
	"time"
)

// FieldError is one problem of a mapping's field.
type FieldError struct {
	Field   string // such as "Window" or "Filters[1]"
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// problems collects what is wrong with a mapping.
type problems []error

func (p *problems) refuse(bad bool, field, format string, args ...any) {
	if bad {
		*p = append(*p, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}

// shared checks the fields that both mappings have.
func (p *problems) shared(f Function, name string, timeout, window, drain time.Duration, batchSize, maxAbandoned int, patterns []string) filters {
	p.refuse(f == nil, "Function", "missing")
	p.refuse(name == "", "FunctionName", "missing")
	p.refuse(timeout < time.Second || timeout > MaxTimeout, "Timeout", "%v is not within 1s to %v", timeout, MaxTimeout)
	p.refuse(batchSize < 1 || batchSize > MaxBatchSize, "BatchSize", "%d is not within 1 to %d", batchSize, MaxBatchSize)
	p.refuse(window < 0 || window > MaxWindow || window%time.Second != 0, "Window",
		"%v is not whole seconds within 0s to %v", window, MaxWindow)
	p.refuse(drain < 0, "DrainLimit", "%v is negative", drain)
	p.refuse(maxAbandoned < 0, "MaxAbandoned", "%d is negative", maxAbandoned)
	p.refuse(len(patterns) > MaxFilters, "Filters", "%d patterns, at most %d are allowed", len(patterns), MaxFilters)
	compiled, errs := compileFilters(patterns)
	*p = append(*p, errs...)
	return compiled
}

func (p *problems) join(source string) error {
	if err := errors.Join(*p...); err != nil {
		return fmt.Errorf("mapping from %q: %w", source, err)
	}
	return nil
}
