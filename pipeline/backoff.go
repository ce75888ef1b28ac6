package pipeline

import (
	"math/rand/v2"
	"time"
)

// Backoff returns a function for Options.Backoff. Its delay doubles from base
// with each attempt, up to limit. Half of the delay is random, so that records
// that failed together do not return together.
func Backoff(base, limit time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		d := base
		for range max(attempt, 1) - 1 {
			if d >= limit/2 {
				d = limit
				break
			}
			d *= 2
		}
		d = min(d, limit)
		if d < 2 {
			return d
		}
		return d/2 + rand.N(d/2+1)
	}
}
