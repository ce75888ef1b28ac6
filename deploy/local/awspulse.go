package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/eventsource"
)

const (
	// pulseLimit is how long calls may fail, or one go without an answer, before
	// a copy says that it is not healthy.
	pulseLimit = 2 * time.Minute
	// maxAbandoned is how many invocations of a function may run past their
	// deadline before no more are started.
	maxAbandoned = 10
)

// pulse follows calls of one kind. The zero value has seen none, which is no
// problem: a mapping that is busy makes none. Safe for concurrent use.
type pulse struct {
	mu      sync.Mutex
	calls   int
	waiting map[int]time.Time // when calls without an answer began
	failing time.Time         // the first failure since the last good answer
	failed  time.Time         // the last one
	err     error             // of it
}

// call notes that a call begins. The answer goes to the func that it returns; one
// that ended with its context tells nothing.
func (p *pulse) call() (answered func(ctx context.Context, err error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	id := p.calls
	if p.waiting == nil {
		p.waiting = make(map[int]time.Time)
	}
	p.waiting[id] = time.Now()
	return func(ctx context.Context, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, id)
		switch {
		case err == nil:
			p.failing, p.failed, p.err = time.Time{}, time.Time{}, nil
		case ctx.Err() == nil:
			p.failed, p.err = time.Now(), err
			if p.failing.IsZero() {
				p.failing = p.failed
			}
		}
	}
}

// problem says what is wrong with the calls, "" when nothing is.
func (p *pulse) problem(what string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Calls that stopped after a failure tell nothing: the mapping is busy.
	if !p.failing.IsZero() && time.Since(p.failing) >= pulseLimit && time.Since(p.failed) < pulseLimit {
		return fmt.Sprintf("%s: no good answer for %v: %v", what, time.Since(p.failing).Round(time.Second), p.err)
	}
	for _, began := range p.waiting {
		if time.Since(began) >= pulseLimit {
			return fmt.Sprintf("%s: a call has had no answer for %v", what, time.Since(began).Round(time.Second))
		}
	}
	return ""
}

// overdue is how many calls have had no answer for longer than a time.
func (p *pulse) overdue(after time.Duration) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, began := range p.waiting {
		if time.Since(began) > after {
			n++
		}
	}
	return n
}

// pulsedQueue is a queue's client whose receives are followed.
type pulsedQueue struct {
	eventsource.SQS
	receives *pulse
}

func (q pulsedQueue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, o ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	answered := q.receives.call()
	out, err := q.SQS.ReceiveMessage(ctx, in, o...)
	answered(ctx, err)
	return out, err
}

// pulsedFeed is a feed whose reads and listings are followed.
type pulsedFeed struct {
	eventsource.Feed
	lists, reads *pulse
}

func (f pulsedFeed) Shards(ctx context.Context) ([]eventsource.Shard, error) {
	answered := f.lists.call()
	shards, err := f.Feed.Shards(ctx)
	answered(ctx, err)
	return shards, err
}

func (f pulsedFeed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	answered := f.reads.call()
	page, err := f.Feed.Read(ctx, shard, after, limit)
	answered(ctx, err)
	return page, err
}

// pulsedFunction is a function whose invocations are followed.
func pulsedFunction(f eventsource.Function, invocations *pulse) eventsource.Function {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		answered := invocations.call()
		defer answered(ctx, nil) // a failure is the function's; what counts is that it returned
		return f(ctx, payload)
	}
}
