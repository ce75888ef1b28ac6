package eventsource

import (
	"context"
	"time"
)

// settleBound is how long after the drain limit a mapping may go on to tell its source what became of records: all of its
// calls together.
const settleBound = 2 * time.Second

// drain is the end of a run, which has three steps. The run's context ends: nothing new starts, what is in hand goes on. At
// the drain limit the work's context ends: invocations are cut, and what was not told to the source yet is tried once more.
// settleBound later the last calls end too, and Run returns.
type drain struct {
	begun    <-chan struct{}
	settling context.Context // for the last calls: it travels in the run's contexts and nowhere else
}

type drainKey struct{}

// drainable returns the contexts of a run that ends with ctx: ctx itself, and the work's, which outlives it by limit.
// stop ends both; it is called when the run is over.
func drainable(ctx context.Context, limit time.Duration) (run, work context.Context, stop func()) {
	settling, end := context.WithCancel(context.WithoutCancel(ctx))
	run = context.WithValue(ctx, drainKey{}, &drain{begun: ctx.Done(), settling: settling})
	work, cut := context.WithCancel(context.WithoutCancel(run))
	forget := context.AfterFunc(ctx, func() {
		sleep(settling, limit)
		cut()
		sleep(settling, settleBound)
		end()
	})
	return run, work, func() {
		forget()
		cut()
		end()
	}
}

// settling returns the context of calls that tell the source what became of records.
func settling(ctx context.Context) context.Context { return ctx.Value(drainKey{}).(*drain).settling }

// draining says whether the run's context has ended.
func draining(ctx context.Context) bool {
	select {
	case <-ctx.Value(drainKey{}).(*drain).begun:
		return true
	default:
		return false
	}
}
