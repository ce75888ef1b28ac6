package runtimeapi

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is returned by a Pool that was closed.
var ErrClosed = errors.New("the pool of processes is closed")

// Pool calls a bootstrap as Lambda does: an invocation gets a process that is idle, or a new one, and a process that ended
// is replaced. It is safe for concurrent use. The number of processes is the number of invocations that ran at the same time.
type Pool struct {
	path    string
	env     []string
	options *Options

	mu     sync.Mutex
	idle   []*Process
	live   map[*Process]bool
	closed bool
}

// NewPool returns a pool that starts the bootstrap at path as [Start] does. It starts nothing yet.
func NewPool(path string, env []string, o *Options) *Pool {
	return &Pool{path: path, env: env, options: o, live: make(map[*Process]bool)}
}

// Invoke calls the function once. Its errors are those of [Start] and [Process.Invoke].
func (p *Pool) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	for {
		process, fresh, err := p.get(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := process.Invoke(ctx, payload)
		p.put(process)
		if exit, ok := errors.AsType[*ExitError](err); ok && exit.Idle && !fresh {
			continue // it ended while it was idle, as after a panic: the event was not seen
		}
		return answer, err
	}
}

// get returns an idle process, the one that was used last, or starts a fresh one.
func (p *Pool) get(ctx context.Context) (process *Process, fresh bool, err error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		process := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if process.alive() {
			p.mu.Unlock()
			return process, false, nil
		}
		p.forget(process)
	}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, false, ErrClosed
	}
	process, err = Start(ctx, p.path, p.env, p.options)
	if err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go process.Close()
		return nil, false, ErrClosed
	}
	p.live[process] = true
	return process, true, nil
}

func (p *Pool) put(process *Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !process.alive() || p.closed {
		p.forget(process)
		return
	}
	p.idle = append(p.idle, process)
}

// forget drops a process from the pool; its server is closed in the background. Callers hold the lock.
func (p *Pool) forget(process *Process) {
	delete(p.live, process)
	go process.Close()
}

func (p *Process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Close ends all processes, those with running invocations too, and returns when they are gone.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	var live []*Process
	for process := range p.live {
		live = append(live, process)
	}
	p.idle = nil
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, process := range live {
		wg.Go(process.Close)
	}
	wg.Wait()
}
