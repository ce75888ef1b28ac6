package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/deploy/internal/broadcast"
)

// door stands before everything that the home answers. It knows which requests
// are under way, and closes: then it lets in only what belongs to the work in
// hand, so that the work can end. Safe for concurrent use.
type door struct {
	next   http.Handler
	inside func(*http.Request) bool // the home's own requests are neither counted nor kept out

	mu     sync.Mutex
	closed bool
	in     map[*http.Request]time.Time // since when
	guest  time.Time                   // when another process's command asked last; zero is never
	left   broadcast.Signal            // a request ended
}

func newDoor(inside func(*http.Request) bool, next http.Handler) *door {
	return &door{next: next, inside: inside, in: make(map[*http.Request]time.Time)}
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.inside(r) {
		d.next.ServeHTTP(w, r)
		return
	}
	if !d.enter(r) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"the home is stopping"}`)
		return
	}
	defer d.leave(r)
	d.next.ServeHTTP(w, r)
}

func (d *door) enter(r *http.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.in[r] = time.Now()
	}
	return !d.closed
}

func (d *door) leave(r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.in, r)
	d.left.Broadcast()
}

// welcome notes a request of another process's command.
func (d *door) welcome(r *http.Request) {
	if d.inside(r) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guest = time.Now()
}

// close keeps out what comes from now on.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// wait waits until no request is under way. At ctx's end it returns those that
// still are, the oldest first.
func (d *door) wait(ctx context.Context) []string {
	for {
		d.mu.Lock()
		left, requests := d.left.Next(), make([]*http.Request, 0, len(d.in))
		for r := range d.in {
			requests = append(requests, r)
		}
		slices.SortFunc(requests, func(a, b *http.Request) int {
			return cmp.Or(d.in[a].Compare(d.in[b]), strings.Compare(a.URL.Path, b.URL.Path))
		})
		d.mu.Unlock()
		if len(requests) == 0 {
			return nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			names := make([]string, len(requests))
			for i, r := range requests {
				names[i] = r.Method + " " + r.URL.Path // the query may hold a signature
			}
			return names
		}
	}
}

// quiet waits until the commands of other processes are done: none asked for as
// long as patience lasts, and no request is under way. Where none has ever asked
// it does not wait.
func (d *door) quiet(ctx context.Context, patience time.Duration) {
	for {
		d.mu.Lock()
		guest, busy := d.guest, len(d.in) > 0
		d.mu.Unlock()
		if guest.IsZero() || !busy && time.Since(guest) >= patience {
			return
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return
		}
	}
}

// CutError names the requests that were cut off because they did not end in time.
type CutError struct {
	Requests []string // method and path, the oldest first
}

func (e *CutError) Error() string {
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
	return fmt.Sprintf("%d %s cut: %s%s", len(e.Requests), what, strings.Join(names, ", "), more)
}

// insiders knows the connections that the home makes to itself, by their
// addresses, which nobody else has as long as they stand.
type insiders struct{ addrs sync.Map }

// transport is the home's own way to itself.
func (i *insiders) transport() *http.Transport {
	t := newTransport()
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		i.addrs.Store(c.LocalAddr().String(), nil)
		return &insiderConn{Conn: c, addrs: &i.addrs}, nil
	}
	return t
}

func (i *insiders) has(r *http.Request) bool {
	_, ok := i.addrs.Load(r.RemoteAddr)
	return ok
}

type insiderConn struct {
	net.Conn
	addrs *sync.Map
}

func (c *insiderConn) Close() error {
	c.addrs.Delete(c.LocalAddr().String())
	return c.Conn.Close()
}
