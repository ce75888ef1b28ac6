package pipeline

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Run calls h for each record and returns the outcomes. It returns when every
// handler has returned, or when three quarters of the reserve are used up.
// A panic in h fails its record, with the value and the stack.
func Run(ctx context.Context, records []Record, h Handler, o Options) Result {
	b := newBatch(ctx, records, h, o)
	if len(records) > 0 {
		b.run()
	}
	return b.result()
}

// batch is the state of one Run. A lane is a list of records that run one after
// the other. The goroutines of the run take lanes until none is left.
type batch struct {
	Options
	ctx      context.Context // of dead letters, delays and the log
	work     context.Context // of the handlers
	handler  Handler
	records  []Record
	contexts []recordContext
	started  time.Time
	stop     time.Time // no record starts from here on; zero means no limit
	giveUp   time.Time // Run returns at this time; zero means no limit

	lanes    [][]int // nil: each record is a lane of its own
	nextLane atomic.Int64
	lowest   atomic.Int64 // the lowest failed position of a Stream

	mu       sync.Mutex
	finished bool // the outcomes do not change any more
	outcomes []Outcome
}

// MaxInvocation is the longest time that Lambda gives an invocation. A deadline
// that is further ahead is wrong, so nothing that derives from one exceeds it.
const MaxInvocation = 15 * time.Minute

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func newBatch(ctx context.Context, records []Record, h Handler, o Options) *batch {
	b := &batch{Options: o.withDefaults(), ctx: ctx, work: ctx, handler: h, records: records}
	b.started = b.Now()
	if deadline, ok := ctx.Deadline(); ok {
		deadline = earlier(deadline, b.started.Add(MaxInvocation))
		if left := deadline.Sub(b.started); b.Reserve >= left && left > 0 {
			b.Logger.WarnContext(ctx, "reserve leaves no time for the work", "reserve", b.Reserve, "left", left, "taken", left/2)
			b.Reserve = left / 2
		}
		b.stop = deadline.Add(-b.Reserve)
		b.giveUp = deadline.Add(-b.Reserve / 4)
	}
	b.lowest.Store(int64(len(records)))
	b.contexts = make([]recordContext, len(records))
	b.outcomes = make([]Outcome, len(records))
	for i := range records {
		b.outcomes[i] = Outcome{Record: records[i], Err: ErrNotStarted}
	}
	b.lanes = lanes(records, b.Order, b.Parallel)
	return b
}

// lanes returns the positions of the records that run one after the other. Nil
// means that each record is independent.
func lanes(records []Record, order Order, parallel int) [][]int {
	if order == Unordered {
		return nil
	}
	var all [][]int
	byGroup := make(map[string]int)
	for i := range records {
		group := records[i].Group
		lane, ok := byGroup[group]
		switch {
		case order == Stream && parallel == 1:
			lane, ok = 0, i > 0
		case order == Grouped && group == "":
			ok = false
		}
		if !ok {
			lane = len(all)
			all = append(all, nil)
			byGroup[group] = lane
		}
		all[lane] = append(all[lane], i)
	}
	return all
}

func (b *batch) laneCount() int {
	if b.lanes == nil {
		return len(b.records)
	}
	return len(b.lanes)
}

func (b *batch) run() {
	if !b.stop.IsZero() {
		work, cancel := context.WithDeadline(b.ctx, b.stop.Add(b.Reserve/2))
		defer cancel()
		b.work = work
	}
	var wg sync.WaitGroup
	for range min(b.Parallel, b.laneCount()) {
		wg.Go(b.runLanes)
	}
	if b.giveUp.IsZero() {
		wg.Wait()
		return
	}
	returned := make(chan struct{})
	go func() { wg.Wait(); close(returned) }()
	timer := time.NewTimer(b.giveUp.Sub(b.Now()))
	defer timer.Stop()
	select {
	case <-returned:
	case <-timer.C:
	}
}

func (b *batch) runLanes() {
	for {
		lane := int(b.nextLane.Add(1)) - 1
		if lane >= b.laneCount() {
			return
		}
		if b.lanes == nil {
			b.handle(lane)
			continue
		}
		for _, i := range b.lanes[lane] {
			if !b.handle(i) {
				break
			}
		}
	}
}

// handle handles record i, and reports whether the next one of its lane may
// start.
func (b *batch) handle(i int) bool {
	if !b.mayStart(i) {
		return false
	}
	b.setOutcome(i, Failed, ErrLost, cutOff)
	r := &b.records[i]
	b.contexts[i] = recordContext{b.work, r}
	err := r.Err
	if err != nil {
		err = Permanent(err)
	} else {
		err = catchPanic(func() error { return b.handler(&b.contexts[i], *r) })
	}
	status, kind := Done, noFailure
	if err != nil {
		status, kind, err = b.fail(i, err)
	}
	b.setOutcome(i, status, err, kind)
	return status == Done || status == DeadLettered
}

func (b *batch) mayStart(i int) bool {
	if b.ctx.Err() != nil || (!b.stop.IsZero() && !b.Now().Before(b.stop)) {
		return false
	}
	return b.Order != Stream || int64(i) < b.lowest.Load()
}

// catchPanic calls f and returns a panic as a *PanicError.
func catchPanic(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// setOutcome sets the outcome of record i, unless Run has returned.
func (b *batch) setOutcome(i int, s Status, err error, kind failureKind) {
	b.mu.Lock()
	if !b.finished {
		o := &b.outcomes[i]
		o.Status, o.Err, o.failure = s, err, kind
	}
	b.mu.Unlock()
}

func (b *batch) isFinished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.finished
}

func (b *batch) result() Result {
	b.mu.Lock()
	b.finished = true
	b.mu.Unlock()
	b.markBlocked()
	res := Result{Outcomes: b.outcomes}
	retry := 0
	for i := range b.outcomes {
		o := &b.outcomes[i]
		if o.failure == retryable || o.failure == cutOff {
			retry++
		}
		if o.Status == Failed && errors.Is(o.Err, ErrLost) {
			b.Logger.ErrorContext(&recordContext{b.ctx, &b.records[i]}, "record lost", "error", o.Err)
		}
	}
	if b.ErrorIfAllFailed && retry > 0 && retry == len(b.outcomes) {
		res.err = &BatchFailedError{Records: retry, First: b.outcomes[0].Err}
	}
	level := slog.LevelInfo
	if res.Count(NotStarted) > 0 {
		level = slog.LevelWarn
	}
	b.Logger.Log(b.ctx, level, "batch",
		"records", len(b.outcomes), "done", res.Count(Done), "failed", res.Count(Failed),
		"dead_lettered", res.Count(DeadLettered), "not_started", res.Count(NotStarted), "blocked", res.Count(Blocked),
		"ms", b.Now().Sub(b.started).Milliseconds())
	return res
}

// markBlocked sets Blocked for the records after a failure that they must not
// overtake. Records after one that the deadline cut off stay NotStarted, because
// more time would have started them.
func (b *batch) markBlocked() {
	mark := func(first failureKind, i int) failureKind {
		o := &b.outcomes[i]
		if o.Status == NotStarted && first != noFailure && first != cutOff {
			o.Status, o.Err = Blocked, ErrBlocked
		}
		return cmp.Or(first, o.failure)
	}
	if b.Order == Stream { // a failure blocks every lane
		first := noFailure
		for i := range b.outcomes {
			first = mark(first, i)
		}
		return
	}
	for _, lane := range b.lanes {
		first := noFailure
		for _, i := range lane {
			first = mark(first, i)
		}
	}
}

// storeMin lowers v to n.
func storeMin(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if n >= old || v.CompareAndSwap(old, n) {
			return
		}
	}
}
