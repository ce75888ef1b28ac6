package setup

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Problems collects what a Validate finds. The zero value is empty.
type Problems []error

// Add adds err as a problem of a variable, unless it is nil.
func (p *Problems) Add(variable string, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("%s: %w", variable, err))
	}
}

// Addf adds a problem of a variable.
func (p *Problems) Addf(variable, format string, args ...any) {
	p.Add(variable, fmt.Errorf(format, args...))
}

// Positive adds a problem if d is not above zero.
func (p *Problems) Positive(variable string, d time.Duration) {
	if d <= 0 {
		p.Addf(variable, "got %v, want a duration above zero, such as 2s", d)
	}
}

// Err joins the problems. It is nil if there are none.
func (p *Problems) Err() error { return errors.Join(*p...) }

// Between adds a problem if the value of a variable is not least, most or
// between them.
func Between[T cmp.Ordered](p *Problems, variable string, value, least, most T) {
	if !(value >= least && value <= most) { // a NaN is neither
		p.Addf(variable, "got %v, want %v to %v", value, least, most)
	}
}
