package stack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
)

// inFlightRequests knows the requests that are being served. After refuse it
// serves only the stack's own requests, so that work in progress can end. Safe
// for concurrent use.
type inFlightRequests struct {
	next  http.Handler
	isOwn func(*http.Request) bool // the stack's own requests are neither counted nor refused

	mu       sync.Mutex
	refusing bool
	since    map[*http.Request]time.Time
	command  time.Time        // of the last request of another process's command; zero is never
	ended    broadcast.Signal // a request ended
}

func newInFlightRequests(isOwn func(*http.Request) bool, next http.Handler) *inFlightRequests {
	return &inFlightRequests{next: next, isOwn: isOwn, since: make(map[*http.Request]time.Time)}
}

func (f *inFlightRequests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.isOwn(r) {
		f.next.ServeHTTP(w, r)
		return
	}
	if !f.begin(r) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"the local stack is stopping"}`)
		return
	}
	defer f.end(r)
	f.next.ServeHTTP(w, r)
}

func (f *inFlightRequests) begin(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.refusing {
		f.since[r] = time.Now()
	}
	return !f.refusing
}

func (f *inFlightRequests) end(r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.since, r)
	f.ended.Broadcast()
}

// noteCommand notes a request of a command.
func (f *inFlightRequests) noteCommand(r *http.Request) {
	if f.isOwn(r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.command = time.Now()
}

// refuse refuses all requests from now on.
func (f *inFlightRequests) refuse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusing = true
}

// wait waits until no request is in flight. When ctx ends it returns those that
// still are, the oldest first.
func (f *inFlightRequests) wait(ctx context.Context) []string {
	for {
		f.mu.Lock()
		ended, requests := f.ended.Next(), make([]*http.Request, 0, len(f.since))
		for r := range f.since {
			requests = append(requests, r)
		}
		slices.SortFunc(requests, func(a, b *http.Request) int {
			return cmp.Or(f.since[a].Compare(f.since[b]), strings.Compare(a.URL.Path, b.URL.Path))
		})
		f.mu.Unlock()
		if len(requests) == 0 {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			names := make([]string, len(requests))
			for i, r := range requests {
				names[i] = r.Method + " " + r.URL.Path // the query may hold a signature
			}
			return names
		}
	}
}

// awaitCommands waits until the commands of other processes are done: none has
// sent a request for pause, and no request is in flight. It does not wait where
// none has ever sent one.
func (f *inFlightRequests) awaitCommands(ctx context.Context, pause time.Duration) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f.mu.Lock()
		command, busy := f.command, len(f.since) > 0
		f.mu.Unlock()
		if command.IsZero() || !busy && time.Since(command) >= pause {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// CutOffError names the requests that were cut off because they did not end
// within the drain limit.
type CutOffError struct {
	Requests []string // method and path, the oldest first
}

func (e *CutOffError) Error() string {
	what := "request"
	if !slices.ContainsFunc(e.Requests, func(r string) bool { return !strings.HasPrefix(r, http.MethodPut+" ") }) {
		what = "upload"
	}
	if len(e.Requests) != 1 {
		what += "s"
	}
	const most = 10
	names, more := e.Requests, ""
	if len(names) > most {
		names, more = names[:most], ", and others"
	}
	return fmt.Sprintf("%d %s cut off: %s%s", len(e.Requests), what, strings.Join(names, ", "), more)
}
