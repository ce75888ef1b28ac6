package stack_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// deliveries counts the deliveries of each message of a test. A message has a
// number, which is its body. Safe for concurrent use.
type deliveries struct {
	mu      sync.Mutex
	total   int         // messages announced so far
	seen    []uint64    // one bit a message
	sent    []time.Time // one a message, if timed
	took    []time.Duration
	timed   bool
	missing int
	wrong   []string      // unexpected deliveries
	done    chan struct{} // closed while nothing is missing
}

// newDeliveries allocates space for room messages, so that it does not grow in a
// test that measures memory. timed keeps the latency of each message.
func newDeliveries(room int, timed bool) *deliveries {
	d := &deliveries{seen: make([]uint64, 0, room/64+1), timed: timed, done: make(chan struct{})}
	close(d.done)
	return d
}

// expect announces n messages and returns the number of the first.
func (d *deliveries) expect(n int) (first int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first = d.total
	d.total += n
	for len(d.seen)*64 < d.total {
		d.seen = append(d.seen, 0)
	}
	if d.timed {
		d.sent = append(d.sent, make([]time.Time, n)...)
	}
	if d.missing == 0 && n > 0 {
		d.done = make(chan struct{})
	}
	d.missing += n
	return first
}

func (d *deliveries) body(number int) string {
	if d.timed {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.sent[number] = time.Now()
	}
	return fmt.Sprintf("%-200d", number)
}

// add counts a delivery.
func (d *deliveries) add(body string) {
	n, err := strconv.Atoi(strings.TrimRight(body, " "))
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil || n < 0 || n >= d.total:
		d.wrong = append(d.wrong, fmt.Sprintf("%q was never sent", body))
		return
	case d.seen[n/64]&(1<<(n%64)) != 0:
		d.wrong = append(d.wrong, fmt.Sprintf("%d was delivered again", n))
		return
	}
	d.seen[n/64] |= 1 << (n % 64)
	if d.timed {
		d.took = append(d.took, time.Since(d.sent[n]))
	}
	if d.missing--; d.missing == 0 {
		close(d.done)
	}
}

// complete is closed when every announced message was delivered.
func (d *deliveries) complete() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// err names missing messages and unexpected deliveries.
func (d *deliveries) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.missing == 0 && len(d.wrong) == 0 {
		return nil
	}
	var absent []int
	for n := 0; n < d.total && len(absent) < 10; n++ {
		if d.seen[n/64]&(1<<(n%64)) == 0 {
			absent = append(absent, n)
		}
	}
	return fmt.Errorf("%d of %d messages missing, %v among them; wrong: %q", d.missing, d.total, absent, d.wrong[:min(10, len(d.wrong))])
}

// TestDeliveriesFindsFaults: a missing, repeated or unknown message is an error.
func TestDeliveriesFindsFaults(t *testing.T) {
	t.Parallel()
	isDone := func(d *deliveries) bool {
		select {
		case <-d.complete():
			return true
		default:
			return false
		}
	}
	d := newDeliveries(0, true)
	if !isDone(d) || d.err() != nil {
		t.Error("no message was announced, and one is missing")
	}
	first := d.expect(70)
	for n := range 70 {
		if b := d.body(first + n); n != 66 {
			d.add(b)
		}
	}
	if err := d.err(); isDone(d) || err == nil || !strings.Contains(err.Error(), "1 of 70 messages missing, [66]") {
		t.Errorf("one missing: done is %v, error %v", isDone(d), err)
	}
	d.add(d.body(5)) // again
	if isDone(d) || !strings.Contains(d.err().Error(), `"5 was delivered again"`) {
		t.Errorf("a second delivery counts as a missing message: %v", d.err())
	}
	d.add(d.body(66))
	if !isDone(d) || len(d.took) != 70 {
		t.Errorf("all delivered: done is %v, %d latencies, want 70", isDone(d), len(d.took))
	}
	d.add("70")
	if err := d.err(); err == nil || !strings.Contains(err.Error(), `\"70\" was never sent`) {
		t.Errorf("unknown message: got %v", err)
	}
}
