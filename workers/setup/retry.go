package setup

import (
	"time"

	"sluice/pipeline"
)

// MaxAttempts is the default of MAX_ATTEMPTS. With the waits of Backoff, a message
// is tried for 15 to 30 minutes before it becomes a dead letter, so that the
// restart of a service that it depends on causes no dead letters.
//
// The queue's maxReceiveCount is twice that, since it also counts receives that are
// no attempts here, such as those of a function that ran out of time.
const MaxAttempts = 8

// Backoff is the pipeline.Options.Backoff of workers with a source queue.
func Backoff(attempt int) time.Duration {
	return pipeline.Backoff(15*time.Second, 15*time.Minute)(attempt)
}
