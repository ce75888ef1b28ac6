package setup_test

import (
	"testing"
	"time"

	"sluice/workers/setup"
)

// TestBackoffOutlivesAnOutage: however chance falls, a message is tried for a
// quarter of an hour, and nobody waits for its dead letter longer than twice that.
func TestBackoffOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	for range 1000 {
		var sum time.Duration
		for attempt := 1; attempt < setup.MaxAttempts; attempt++ {
			d := setup.Backoff(attempt)
			if d < 7*time.Second || d > 15*time.Minute {
				t.Fatalf("attempt %d waits %v, want 7 s to 15 min", attempt, d)
			}
			sum += d
		}
		if sum < 15*time.Minute || sum > 31*time.Minute {
			t.Fatalf("%d attempts take %v, want 15 to 31 minutes", setup.MaxAttempts, sum)
		}
	}
}
