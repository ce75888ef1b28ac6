package pipeline

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// Order is what a source guarantees about the order of its records.
type Order int

const (
	// Unordered records run in parallel, independently of each other.
	Unordered Order = iota
	// Grouped records keep their order within a Group. A failure blocks the rest
	// of its group. A record without a group is independent. FIFO queues.
	Grouped
	// Stream records are acknowledged up to the lowest failure, so no record
	// after a failure is started. They run one by one or, if Parallel is above
	// 1, in order within a Group. Change streams.
	Stream
)

// Options configures a Run. The zero value is usable.
type Options struct {
	// Worker is the worker's name, which dead letters carry.
	Worker string
	// Order is the order of the source. Zero is Unordered.
	Order Order
	// Parallel limits the records handled at the same time. Zero is 10 for
	// Unordered and Grouped, 1 for Stream.
	Parallel int
	// MaxAttempts is the delivery at which a failure becomes a dead letter. Zero
	// means no limit. It must be below the queue's maxReceiveCount: the worker
	// then writes the reason, and the queue's own redrive is left for crashes.
	//
	// Some failures do not count, and only the queue limits those: a record
	// whose Attempt is 0, one that another owner is processing
	// (InProgressError), one whose handler returned RetryAfter, and one that the
	// deadline of the run cut off.
	MaxAttempts int
	// Reserve is the time before ctx's deadline that is kept for the response.
	// No record starts within it, the handlers' contexts end at half of it, and
	// at a quarter Run returns without the handlers that are still running.
	// Zero is 2 seconds. If Reserve exceeds the time left, Run logs a warning
	// and takes half of that time.
	Reserve time.Duration
	// DeadLetter stores a record that must not be delivered again. If it returns
	// an error, the record is a failure and is delivered again. If DeadLetter is
	// nil, Permanent is a plain failure.
	DeadLetter func(ctx context.Context, l DeadLetter) error
	// Delay makes the source wait for d before it delivers r again. Its error is
	// logged, and the record then returns at the source's own time. If Delay is
	// nil, RetryAfter is a plain failure.
	Delay func(ctx context.Context, r Record, d time.Duration) error
	// Backoff returns the delay after a plain failure, if Delay is set. attempt
	// is the record's. Nil, or a result of zero, means the source's own time.
	Backoff func(attempt int) time.Duration
	// ErrorIfAllFailed makes Result.Err report a batch of which every record
	// failed and may be retried. A function error slows down Lambda's polling,
	// a list of failures does not. Delays that were set stay in effect.
	ErrorIfAllFailed bool
	// Logger receives one line for each failed record and one for each batch.
	// Nil means no log.
	Logger *slog.Logger
	// Now is the clock of dead letters, deadlines and durations. Nil means
	// time.Now.
	Now func() time.Time
}

// withDefaults returns a copy of o with defaults filled in.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Reserve = cmp.Or(o.Reserve, 2*time.Second)
	if o.Parallel <= 0 {
		o.Parallel = 10
		if o.Order == Stream {
			o.Parallel = 1
		}
	}
	return o
}
