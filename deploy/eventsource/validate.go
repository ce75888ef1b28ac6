package eventsource

import (
	"errors"
	"fmt"
	"time"
)

// FieldError is a problem with a field of a mapping.
type FieldError struct {
	Field   string // such as "BatchSize"
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// problems collects the errors of a mapping.
type problems []error

func (p *problems) refuse(bad bool, field, format string, args ...any) {
	if bad {
		*p = append(*p, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}

// refuseCommon checks the fields that both mappings have.
func (p *problems) refuseCommon(f Function, name string, timeout, drain time.Duration, maxAbandoned int) {
	p.refuse(f == nil, "Function", "is required")
	p.refuse(name == "", "FunctionName", "is required")
	p.refuse(timeout < time.Second || timeout > MaxTimeout, "Timeout", "got %v, want 1s to %v", timeout, MaxTimeout)
	p.refuse(drain < 0, "DrainLimit", "got %v, want 0s or more", drain)
	p.refuse(maxAbandoned < 0, "MaxAbandoned", "got %d, want 0 or more", maxAbandoned)
}

func (p *problems) join(source string) error {
	if err := errors.Join(*p...); err != nil {
		return fmt.Errorf("mapping from %q: %w", source, err)
	}
	return nil
}
