package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Order is what a source promises about the order of its records.
type Order int

const (
	// Unordered records run in parallel, each for itself.
	Unordered Order = iota
	// Grouped records keep their order inside a Group; a failure stops its
	// group. A record without a group stands for itself. FIFO queues.
	Grouped
	// Stream records are acknowledged up to the lowest failure, so nothing
	// behind a failure is begun. They run one by one, or with Parallel above 1
	// in order inside a Group. Change streams.
	Stream
)

// Options of a batch run. The zero value is useful.
type Options struct {
	// Worker is the worker's name, for letters.
	Worker string
	// Order of the source. Zero is Unordered.
	Order Order
	// Parallel is how many records are in hand at once. Zero is 10 for
	// Unordered and Grouped, 1 for Stream.
	Parallel int
	// MaxAttempts is the delivery at which a failure becomes a dead letter. It
	// must stand below the queue's maxReceiveCount: then the worker writes the
	// reason, and the queue's own redrive is the net for crashes. Zero has no
	// limit. Records whose Attempt is 0 are never counted out, nor those that wait
	// for another owner (InProgressError), were asked to come later (RetryAfter), or
	// were cut off by the run's own deadline: these only the queue itself bounds.
	MaxAttempts int
	// Reserve is the time kept for the answer before ctx's deadline: nothing
	// starts within it, handlers' contexts end at half of it, and at a quarter
	// the run answers without those that have not come back. Zero is 2 seconds.
	// Where it leaves no time for the work it is half of what there is, and logged.
	Reserve time.Duration
	// DeadLetter takes a record that must not come back. If it fails, the
	// record is a failure and comes back. Nil: Permanent is a failure.
	DeadLetter func(ctx context.Context, l DeadLetter) error
	// Delay makes the source hold a failed record back for d. Nil: RetryAfter
	// is a plain failure. Its error is logged; the record then comes back when
	// the source likes.
	Delay func(ctx context.Context, r Record, d time.Duration) error
	// Backoff is how long a plain failure waits, where Delay can make it wait.
	// attempt is the record's. Nil, or zero: as long as the source likes.
	Backoff func(attempt int) time.Duration
	// ErrorIfAllFailed makes Result.Err report a batch of which every record
	// failed and may be retried: a function error slows Lambda's polling, a
	// list of failures does not. What Delay was told holds all the same.
	ErrorIfAllFailed bool
	// Logger gets one line a failed record and one a batch. Nil: none.
	Logger *slog.Logger
	// Now is the clock of letters, deadlines and durations. Nil is time.Now.
	Now func() time.Time
}

// Status is what became of a record.
type Status int

const (
	NotStarted   Status = iota // not started, for there was no time: it comes back
	Failed                     // it comes back
	Done                       // acknowledged
	DeadLettered               // acknowledged: it stands in the dead letters
	Blocked                    // not started, for one that it must not overtake failed: it comes back
)

func (s Status) String() string {
	switch s {
	case NotStarted:
		return "not started"
	case Failed:
		return "failed"
	case Done:
		return "done"
	case DeadLettered:
		return "dead-lettered"
	case Blocked:
		return "blocked"
	}
	return fmt.Sprintf("Status(%d)", int(s))
}

// An Outcome is what became of one record.
type Outcome struct {
	Record Record
	Status Status
	// Err is the reason of what is not Done.
	Err error

	verdict verdict
}

// verdict says of a failure what another delivery can be hoped to bring.
type verdict uint8

const (
	settled   verdict = iota // no failure
	again                    // may do better
	hopeless                 // failed for good, and there are no letters
	elsewhere                // another owner is at it
	overdue                  // the run's own deadline cut it off
)

// Acknowledged reports whether the source may forget the record.
func (o Outcome) Acknowledged() bool { return o.Status == Done || o.Status == DeadLettered }

// A DeadLetter is a record that must not come back, and why.
type DeadLetter struct {
	Record Record
	Reason error
	Worker string
	At     time.Time
}

// A Result is what became of a batch.
type Result struct {
	// Outcomes has one element for each record, in the batch's order.
	Outcomes []Outcome
	err      error
}

// Count returns how many records ended with s.
func (r Result) Count(s Status) int {
	n := 0
	for i := range r.Outcomes {
		if r.Outcomes[i].Status == s {
			n++
		}
	}
	return n
}

// Err is a *BatchFailedError if the whole batch is to be answered by a function
// error (Options.ErrorIfAllFailed), else nil.
func (r Result) Err() error { return r.err }

// BatchFailedError says that every record of a batch failed.
type BatchFailedError struct {
	Records int
	First   error
}

func (e *BatchFailedError) Error() string {
	return fmt.Sprintf("all %d records failed, the first: %v", e.Records, e.First)
}

func (e *BatchFailedError) Unwrap() error { return e.First }

// Run calls h for each record and tells what became of them. It returns when
// every handler has, or when three quarters of the reserve are used up.
// A panic in h fails its record, with value and stack.
func Run(ctx context.Context, records []Record, h Handler, o Options) Result {
	b := newBatch(ctx, records, h, o)
	if len(records) > 0 {
		b.run()
	}
	return b.result()
}

// batch is one run. A lane is a list of records that run one after the other;
// the lanes share a number of goroutines.
type batch struct {
	Options
	ctx     context.Context // of the answer and the letters
	work    context.Context // of the handlers
	handler Handler
	records []Record
	scopes  []recordContext
	started time.Time
	stop    time.Time // nothing starts from here on; zero has no end
	giveUp  time.Time

	lanes    [][]int // nil: each record is a lane of its own
	nextLane atomic.Int64
	lowest   atomic.Int64 // the lowest failed position of a Stream

	mu       sync.Mutex
	answered bool
	outcomes []Outcome
}

func newBatch(ctx context.Context, records []Record, h Handler, o Options) *batch {
	b := &batch{Options: o, ctx: ctx, work: ctx, handler: h, records: records}
	if b.Now == nil {
		b.Now = time.Now
	}
	if b.Logger == nil {
		b.Logger = slog.New(slog.DiscardHandler)
	}
	b.Reserve = cmp.Or(b.Reserve, 2*time.Second)
	if b.Parallel <= 0 {
		b.Parallel = 10
		if b.Order == Stream {
			b.Parallel = 1
		}
	}
	b.started = b.Now()
	if deadline, ok := ctx.Deadline(); ok {
		if left := deadline.Sub(b.started); b.Reserve >= left && left > 0 {
			b.Logger.WarnContext(ctx, "reserve leaves no time for the work", "reserve", b.Reserve, "left", left, "taken", left/2)
			b.Reserve = left / 2
		}
		b.stop = deadline.Add(-b.Reserve)
		b.giveUp = deadline.Add(-b.Reserve / 4)
	}
	b.lowest.Store(int64(len(records)))
	b.scopes = make([]recordContext, len(records))
	b.outcomes = make([]Outcome, len(records))
	for i := range records {
		b.outcomes[i] = Outcome{Record: records[i], Err: ErrNotStarted}
	}
	b.lanes = lanes(records, b.Order, b.Parallel)
	return b
}

// lanes tells which records run one after the other, by position. Nil has each
// for itself.
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
		wg.Go(b.takeLanes)
	}
	if b.giveUp.IsZero() {
		wg.Wait()
		return
	}
	back := make(chan struct{})
	go func() { wg.Wait(); close(back) }()
	timer := time.NewTimer(b.giveUp.Sub(b.Now()))
	defer timer.Stop()
	select {
	case <-back:
	case <-timer.C:
	}
}

func (b *batch) takeLanes() {
	for {
		lane := int(b.nextLane.Add(1)) - 1
		if lane >= b.laneCount() {
			return
		}
		if b.lanes == nil {
			b.do(lane)
			continue
		}
		for _, i := range b.lanes[lane] {
			if !b.do(i) {
				break
			}
		}
	}
}

// do handles record i, and reports whether its lane may go on.
func (b *batch) do(i int) bool {
	if !b.mayStart(i) {
		return false
	}
	b.settle(i, Failed, ErrLost, overdue)
	r := &b.records[i]
	b.scopes[i] = recordContext{b.work, r}
	err := r.Err
	if err != nil {
		err = Permanent(err)
	} else {
		err = b.call(&b.scopes[i], *r)
	}
	status, v := Done, settled
	if err != nil {
		status, v, err = b.fail(i, err)
	}
	b.settle(i, status, err, v)
	return status == Done || status == DeadLettered
}

func (b *batch) mayStart(i int) bool {
	if b.ctx.Err() != nil || (!b.stop.IsZero() && !b.Now().Before(b.stop)) {
		return false
	}
	return b.Order != Stream || int64(i) < b.lowest.Load()
}

func (b *batch) call(ctx context.Context, r Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return b.handler(ctx, r)
}

// fail decides between a dead letter and another delivery.
func (b *batch) fail(i int, err error) (Status, verdict, error) {
	r := b.records[i]
	// Not the handlers' context: that one may be over, and a letter still goes out.
	ctx := &recordContext{b.ctx, &b.records[i]}
	if b.isAnswered() {
		// The source heard that it comes again, and is told nothing else.
		b.Logger.WarnContext(ctx, "late failure dropped", "error", err, panicStack(err))
		return Failed, overdue, err
	}
	v := b.judge(err)
	counted := b.MaxAttempts > 0 && r.Attempt >= b.MaxAttempts && !b.excused(err, v)
	permanent := IsPermanent(err)
	if b.DeadLetter != nil && (permanent || counted) {
		letterErr := b.callOut(func() error {
			return b.DeadLetter(ctx, DeadLetter{Record: r, Reason: err, Worker: b.Worker, At: b.Now()})
		})
		if letterErr == nil {
			b.Logger.ErrorContext(ctx, "record dead-lettered", "error", err, panicStack(err))
			return DeadLettered, settled, err
		}
		err = fmt.Errorf("write dead letter: %w, for: %w", letterErr, err)
	}
	b.Logger.WarnContext(ctx, "record failed", "error", err, panicStack(err))
	if b.Order == Stream {
		lower(&b.lowest, int64(i))
	}
	b.delay(ctx, r, err)
	return Failed, v, err
}

// judge is the verdict on a record that failed with err.
func (b *batch) judge(err error) verdict {
	_, busy := errors.AsType[*InProgressError](err)
	outOfTime := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case IsPermanent(err) && b.DeadLetter == nil:
		return hopeless
	case IsPermanent(err):
		return again // if the letter cannot be written
	case busy:
		return elsewhere
	case outOfTime && b.work.Err() != nil:
		return overdue
	}
	return again
}

// excused reports whether err says nothing against its record, so that the
// attempt does not count.
func (b *batch) excused(err error, v verdict) bool {
	_, asked := errors.AsType[*RetryAfterError](err)
	calledOff := errors.Is(b.ctx.Err(), context.Canceled)
	return asked || calledOff || v == elsewhere || v == overdue
}

func (b *batch) delay(ctx context.Context, r Record, err error) {
	if b.Delay == nil {
		return
	}
	var d time.Duration
	refused := b.callOut(func() error {
		if d = b.wait(r, err); d <= 0 {
			return nil
		}
		return b.Delay(ctx, r, d)
	})
	if refused != nil {
		b.Logger.WarnContext(ctx, "record not delayed", "error", refused, "delay", d)
	}
}

// wait is how long a record that failed with err stays away. What was asked to
// come later comes up to a quarter later than that: those that were refused
// together should not come back together.
func (b *batch) wait(r Record, err error) time.Duration {
	if e, ok := errors.AsType[*RetryAfterError](err); ok {
		if e.After < 4 {
			return e.After
		}
		return min(e.After, math.MaxInt64/2) + rand.N(min(e.After, math.MaxInt64/2)/4+1)
	}
	if b.Backoff == nil {
		return 0
	}
	return b.Backoff(r.Attempt)
}

// callOut guards the run against a panic of its options.
func (b *batch) callOut(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// settle writes an outcome, unless the run has answered already.
func (b *batch) settle(i int, s Status, err error, v verdict) {
	b.mu.Lock()
	if !b.answered {
		o := &b.outcomes[i]
		o.Status, o.Err, o.verdict = s, err, v
	}
	b.mu.Unlock()
}

func (b *batch) isAnswered() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answered
}

func (b *batch) result() Result {
	b.mu.Lock()
	b.answered = true
	b.mu.Unlock()
	b.tellHeldBack()
	res := Result{Outcomes: b.outcomes}
	retry := 0
	for i := range b.outcomes {
		o := &b.outcomes[i]
		if o.verdict == again || o.verdict == overdue {
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

// tellHeldBack tells the records that stand behind a failure from those that
// there was no time for. Behind one that the deadline cut off it was time that
// lacked.
func (b *batch) tellHeldBack() {
	behind := func(first verdict, i int) verdict {
		o := &b.outcomes[i]
		if o.Status == NotStarted && first != settled && first != overdue {
			o.Status, o.Err = Blocked, ErrBehindFailure
		}
		return cmp.Or(first, o.verdict)
	}
	if b.Order == Stream { // its lanes hold each other up
		first := settled
		for i := range b.outcomes {
			first = behind(first, i)
		}
		return
	}
	for _, lane := range b.lanes {
		first := settled
		for _, i := range lane {
			first = behind(first, i)
		}
	}
}

func lower(v *atomic.Int64, to int64) {
	for {
		old := v.Load()
		if to >= old || v.CompareAndSwap(old, to) {
			return
		}
	}
}

func panicStack(err error) slog.Attr {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return slog.String("stack", string(p.Stack))
	}
	return slog.Attr{}
}
