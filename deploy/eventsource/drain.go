package eventsource

import (
	"context"
	"fmt"
	"time"
)

// LeftError reports the records that a mapping left at its drain limit. They
// are not lost: the messages of a queue are received again when their
// visibility timeout ends, and the records of a feed are read again from its
// checkpoint.
type LeftError struct {
	Source string        // ARN
	After  time.Duration // the drain limit
	// IDs are the message ids or sequence numbers of the records in invocations
	// that were running, and of the messages that could not be settled.
	IDs []string
}

func (e *LeftError) Error() string {
	shown := e.IDs[:min(len(e.IDs), 10)]
	return fmt.Sprintf("drain %q: %d records not settled after %v will be delivered again: %q", e.Source, len(e.IDs), e.After, shown)
}

// settleBound is how long after the drain limit a mapping may continue to
// settle messages and save checkpoints, in total.
const settleBound = 2 * time.Second

// drain is the end of a run, in three steps. When the run's context ends,
// nothing new starts and running work continues. At the drain limit the work's
// context ends: invocations are canceled, and what is not settled is tried once
// more. settleBound later the last calls are canceled and Run returns.
type drain struct {
	begun    <-chan struct{}
	settling context.Context // for the last calls; only the contexts of the run hold it
}

type drainKey struct{}

// drainable returns the contexts of a run that ends with ctx: the run's own,
// and the work's, which ends limit later. stop cancels both; it must be called
// when the run is over.
func drainable(ctx context.Context, limit time.Duration) (run, work context.Context, stop func()) {
	settling, end := context.WithCancel(context.WithoutCancel(ctx))
	run = context.WithValue(ctx, drainKey{}, &drain{begun: ctx.Done(), settling: settling})
	work, cancel := context.WithCancel(context.WithoutCancel(run))
	forget := context.AfterFunc(ctx, func() {
		sleep(settling, limit)
		cancel()
		sleep(settling, settleBound)
		end()
	})
	return run, work, func() {
		forget()
		cancel()
		end()
	}
}

// settling returns the context of calls that settle messages or save
// checkpoints.
func settling(ctx context.Context) context.Context { return ctx.Value(drainKey{}).(*drain).settling }

// draining reports whether the run's context has ended.
func draining(ctx context.Context) bool {
	select {
	case <-ctx.Value(drainKey{}).(*drain).begun:
		return true
	default:
		return false
	}
}
