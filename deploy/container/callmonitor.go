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
	// callLimit is how long calls may fail, or one call last, before a copy
	// reports that it is not healthy.
	callLimit = 2 * time.Minute
	// maxAbandoned is how many invocations of a function may run past their
	// deadline before no more are started.
	maxAbandoned = 10
)

// callMonitor follows calls of one kind. The zero value has seen none, which is
// healthy: a busy mapping makes no calls. Safe for concurrent use.
type callMonitor struct {
	mu      sync.Mutex
	calls   int
	waiting map[int]time.Time // the start of each call that has not returned
	failing time.Time         // the first failure since the last success
	failed  time.Time         // the last failure
	err     error             // of the last failure
}

// begin notes that a call begins. The func that it returns takes the call's
// error; an error after the end of ctx counts neither way.
func (m *callMonitor) begin() (returned func(ctx context.Context, err error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	id := m.calls
	if m.waiting == nil {
		m.waiting = make(map[int]time.Time)
	}
	m.waiting[id] = time.Now()
	return func(ctx context.Context, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.waiting, id)
		switch {
		case err == nil:
			m.failing, m.failed, m.err = time.Time{}, time.Time{}, nil
		case ctx.Err() == nil:
			m.failed, m.err = time.Now(), err
			if m.failing.IsZero() {
				m.failing = m.failed
			}
		}
	}
}

// problem describes what is wrong with the calls; "" is nothing.
func (m *callMonitor) problem(what string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	// Calls that stopped after a failure prove nothing: the mapping is busy.
	if !m.failing.IsZero() && time.Since(m.failing) >= callLimit && time.Since(m.failed) < callLimit {
		return fmt.Sprintf("%s: no call has succeeded for %v: %v", what, time.Since(m.failing).Round(time.Second), m.err)
	}
	for _, began := range m.waiting {
		if time.Since(began) >= callLimit {
			return fmt.Sprintf("%s: a call has not returned for %v", what, time.Since(began).Round(time.Second))
		}
	}
	return ""
}

// overdue is how many calls have lasted longer than a time.
func (m *callMonitor) overdue(after time.Duration) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, began := range m.waiting {
		if time.Since(began) > after {
			n++
		}
	}
	return n
}

// monitoredQueue is an SQS client with a monitor of its receives.
type monitoredQueue struct {
	eventsource.SQS
	receives *callMonitor
}

func (q monitoredQueue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, o ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	returned := q.receives.begin()
	out, err := q.SQS.ReceiveMessage(ctx, in, o...)
	returned(ctx, err)
	return out, err
}

// monitoredFeed is a feed with monitors of its reads and listings.
type monitoredFeed struct {
	eventsource.Feed
	lists, reads *callMonitor
}

func (f monitoredFeed) Shards(ctx context.Context) ([]eventsource.Shard, error) {
	returned := f.lists.begin()
	shards, err := f.Feed.Shards(ctx)
	returned(ctx, err)
	return shards, err
}

func (f monitoredFeed) Read(ctx context.Context, shard, after string, limit int) (eventsource.Page, error) {
	returned := f.reads.begin()
	page, err := f.Feed.Read(ctx, shard, after, limit)
	returned(ctx, err)
	return page, err
}

// monitoredFunction is a function with a monitor of its invocations.
func monitoredFunction(f eventsource.Function, invocations *callMonitor) eventsource.Function {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		returned := invocations.begin()
		defer returned(ctx, nil) // a function error is a return as well
		return f(ctx, payload)
	}
}
