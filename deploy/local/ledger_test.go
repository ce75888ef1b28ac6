package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger knows of every message of a test whether it was handled: each has a
// number, which is its body. It is safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	total   int         // messages announced so far
	seen    []uint64    // one bit each
	sent    []time.Time // one each, where latencies are measured
	took    []time.Duration
	timed   bool
	missing int
	wrong   []string      // deliveries that should not have been
	done    chan struct{} // closed while nothing is missing
}

// newLedger has room for so many messages, so that it does not grow in a test
// that measures memory. timed keeps each message's latency.
func newLedger(room int, timed bool) *ledger {
	l := &ledger{seen: make([]uint64, 0, room/64+1), timed: timed, done: make(chan struct{})}
	close(l.done)
	return l
}

// expect announces n messages and returns the number of the first.
func (l *ledger) expect(n int) (first int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = l.total
	l.total += n
	for len(l.seen)*64 < l.total {
		l.seen = append(l.seen, 0)
	}
	if l.timed {
		l.sent = append(l.sent, make([]time.Time, n)...)
	}
	if l.missing == 0 && n > 0 {
		l.done = make(chan struct{})
	}
	l.missing += n
	return first
}

func (l *ledger) body(number int) string {
	if l.timed {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent[number] = time.Now()
	}
	return fmt.Sprintf("%-200d", number)
}

// saw notes a delivery.
func (l *ledger) saw(body string) {
	n, err := strconv.Atoi(strings.TrimRight(body, " "))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil || n < 0 || n >= l.total:
		l.wrong = append(l.wrong, fmt.Sprintf("%q was never sent", body))
		return
	case l.seen[n/64]&(1<<(n%64)) != 0:
		l.wrong = append(l.wrong, fmt.Sprintf("%d came again", n))
		return
	}
	l.seen[n/64] |= 1 << (n % 64)
	if l.timed {
		l.took = append(l.took, time.Since(l.sent[n]))
	}
	if l.missing--; l.missing == 0 {
		close(l.done)
	}
}

// complete is closed when every message that was announced has come.
func (l *ledger) complete() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done
}

// err says what is missing and what came that should not have.
func (l *ledger) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.missing == 0 && len(l.wrong) == 0 {
		return nil
	}
	var absent []int
	for n := 0; n < l.total && len(absent) < 10; n++ {
		if l.seen[n/64]&(1<<(n%64)) == 0 {
			absent = append(absent, n)
		}
	}
	return fmt.Errorf("%d of %d messages missing, %v among them; wrong: %q", l.missing, l.total, absent, l.wrong[:min(10, len(l.wrong))])
}

// TestLedger holds the other tests' witness to its word.
func TestLedger(t *testing.T) {
	t.Parallel()
	isDone := func(l *ledger) bool {
		select {
		case <-l.complete():
			return true
		default:
			return false
		}
	}
	l := newLedger(0, true)
	if !isDone(l) || l.err() != nil {
		t.Error("nothing was announced and something is missing")
	}
	first := l.expect(70)
	for n := range 70 {
		if b := l.body(first + n); n != 66 {
			l.saw(b)
		}
	}
	if err := l.err(); isDone(l) || err == nil || !strings.Contains(err.Error(), "1 of 70 messages missing, [66]") {
		t.Errorf("one is missing: done is %v, error %v", isDone(l), err)
	}
	l.saw(l.body(5)) // instead of it
	if isDone(l) || !strings.Contains(l.err().Error(), `"5 came again"`) {
		t.Errorf("a second delivery counts as one that is missing: %v", l.err())
	}
	l.saw(l.body(66))
	if !isDone(l) || len(l.took) != 70 {
		t.Errorf("all came: done is %v, %d latencies, want 70", isDone(l), len(l.took))
	}
	l.saw("70")
	if err := l.err(); err == nil || !strings.Contains(err.Error(), `\"70\" was never sent`) {
		t.Errorf("what was never sent: %v", err)
	}
}
