package stack

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"sluice/deploy/functions"
	"sluice/deploy/local/sqsserver"
)

const (
	// maxReceiveCount is twice the workers' MAX_ATTEMPTS.
	maxReceiveCount      = 16
	queueRetention       = 4 * 24 * time.Hour
	deadLettersRetention = 14 * 24 * time.Hour
)

// createQueues creates the source and dead-letter queue of each function. A
// queue that exists keeps its attributes, which a user or an earlier commit may
// have set.
func createQueues(ctx context.Context, q *sqsserver.Service, log *slog.Logger) error {
	ensure := func(name string, attrs map[string]string) error {
		differs, err := q.Ensure(ctx, name, attrs)
		for _, d := range differs {
			log.WarnContext(ctx, "queue keeps its attribute", "queue", name, "attribute", d.Attribute, "is", d.Is, "standard", d.Asked)
		}
		return err
	}
	for _, f := range functions.Mapped() {
		err := ensure(f.DeadLetterQueue(), map[string]string{"MessageRetentionPeriod": seconds(deadLettersRetention)})
		if err != nil {
			return err
		}
		if f.Source.Queue == "" {
			continue
		}
		err = ensure(f.Source.Queue, map[string]string{
			"VisibilityTimeout":      seconds(f.Timeout * functions.VisibilityFactor),
			"MessageRetentionPeriod": seconds(queueRetention),
			"RedrivePolicy":          fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, q.ARN(f.DeadLetterQueue()), maxReceiveCount),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
