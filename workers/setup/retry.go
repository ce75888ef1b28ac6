package setup

import (
	"time"

	"sluice/pipeline"
)

// MaxAttempts is the default of MAX_ATTEMPTS. With Backoff's waits a message is
// tried for 15 minutes at least, and 30 at most, before it becomes a dead letter:
// a dependency that is restarted or deployed meanwhile leaves no letters behind.
//
// The queue's own maxReceiveCount is twice that: receives that say nothing
// against a message, such as those of a function that had no time, count there
// and not here.
const MaxAttempts = 8

// Backoff is the pipeline.Options.Backoff of the workers that queues wake.
func Backoff(attempt int) time.Duration {
	return pipeline.Backoff(15*time.Second, 15*time.Minute)(attempt)
}
