package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"time"
)

// A DeadLetter is a record that must not be delivered again, with the reason.
type DeadLetter struct {
	Record Record
	Reason error
	Worker string
	At     time.Time
}

// failureKind is what a failure says about another delivery of its record.
type failureKind uint8

const (
	noFailure    failureKind = iota
	retryable                // another delivery may succeed
	notRetryable             // permanent, and there is no DeadLetter function
	inProgress               // another owner is processing the record
	cutOff                   // the deadline of the run ended it
)

// fail handles the error of record i: it writes a dead letter or delays the next
// delivery.
func (b *batch) fail(i int, err error) (Status, failureKind, error) {
	r := b.records[i]
	// The handlers' context may have ended; dead letters are written regardless.
	ctx := &recordContext{b.ctx, &b.records[i]}
	if b.isFinished() {
		// The response already says that the record failed.
		b.Logger.WarnContext(ctx, "late failure dropped", "error", err, panicStack(err))
		return Failed, cutOff, err
	}
	kind := b.classify(err)
	lastAttempt := b.MaxAttempts > 0 && r.Attempt >= b.MaxAttempts && b.countsAsAttempt(err, kind)
	if b.DeadLetter != nil && (IsPermanent(err) || lastAttempt) {
		writeErr := catchPanic(func() error {
			return b.DeadLetter(ctx, DeadLetter{Record: r, Reason: err, Worker: b.Worker, At: b.Now()})
		})
		if writeErr == nil {
			b.Logger.ErrorContext(ctx, "record dead-lettered", "error", err, panicStack(err))
			return DeadLettered, noFailure, err
		}
		err = fmt.Errorf("write dead letter: %w, for: %w", writeErr, err)
	}
	b.Logger.WarnContext(ctx, "record failed", "error", err, panicStack(err))
	if b.Order == Stream {
		storeMin(&b.lowest, int64(i))
	}
	b.delay(ctx, r, err)
	return Failed, kind, err
}

func (b *batch) classify(err error) failureKind {
	_, claimed := errors.AsType[*InProgressError](err)
	timedOut := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case IsPermanent(err) && b.DeadLetter == nil:
		return notRetryable
	case IsPermanent(err):
		return retryable // if the dead letter cannot be written
	case claimed:
		return inProgress
	case timedOut && b.work.Err() != nil:
		return cutOff
	}
	return retryable
}

// countsAsAttempt reports whether a failure counts towards MaxAttempts.
func (b *batch) countsAsAttempt(err error, kind failureKind) bool {
	_, retryAfter := errors.AsType[*RetryAfterError](err)
	canceled := errors.Is(b.ctx.Err(), context.Canceled)
	return !retryAfter && !canceled && kind != inProgress && kind != cutOff
}

func (b *batch) delay(ctx context.Context, r Record, err error) {
	if b.Delay == nil {
		return
	}
	var d time.Duration
	delayErr := catchPanic(func() error {
		if d = b.retryDelay(r, err); d <= 0 {
			return nil
		}
		return b.Delay(ctx, r, d)
	})
	if delayErr != nil {
		b.Logger.WarnContext(ctx, "record not delayed", "error", delayErr, "delay", d)
	}
}

// retryDelay returns the delay before a record that failed with err is delivered
// again. It adds up to a quarter to the time of a RetryAfterError, so that
// records refused together do not return together.
func (b *batch) retryDelay(r Record, err error) time.Duration {
	if e, ok := errors.AsType[*RetryAfterError](err); ok {
		if e.After < 4 {
			return e.After
		}
		after := min(e.After, math.MaxInt64/2)
		return after + rand.N(after/4+1)
	}
	if b.Backoff == nil {
		return 0
	}
	return b.Backoff(r.Attempt)
}

func panicStack(err error) slog.Attr {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return slog.String("stack", string(p.Stack))
	}
	return slog.Attr{}
}
