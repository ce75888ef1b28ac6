package eventsource

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// aPart is a body whose record fills most of an event: JSON encodes each byte
// as six.
var aPart = strings.Repeat("\x01", 550<<10)

func TestQueueKeepsPartsThatWaitInvisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                string
		visibility, timeout time.Duration
		takes               time.Duration // an invocation
		deletes             time.Duration // a delete
		parts               int
		changes             int // of visibility
	}{
		{"all parts within the visibility timeout", 200 * time.Second, 59 * time.Second, 58 * time.Second, 0, 3, 0},
		{"two seconds left for the second part", 60 * time.Second, 59 * time.Second, 58 * time.Second, 0, 2, 2 + 1},
		{"no time left for the last part", 60 * time.Second, 59 * time.Second, 58 * time.Second, 0, 4, 4 + 3 + 2 + 1},
		{"timeout equal to the visibility timeout and slow deletes", 60 * time.Second, 60 * time.Second, 59 * time.Second, 5 * time.Second, 3, 3 + 2 + 1},
		{"fast parts", 60 * time.Second, 45 * time.Second, time.Second, 0, 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, tt.visibility)
				q.deleteTakes = tt.deletes
				ids := q.send(slices.Repeat([]string{aPart}, tt.parts)...)
				r := newRecorder(func(context.Context, []string) (string, error) {
					time.Sleep(tt.takes)
					return failures(), nil
				})
				m := queueMapping(q, r)
				m.Timeout = tt.timeout
				run := startMapping(t, m.Run)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				run.stopClean()
				if got := r.ids(); got != strings.Join(ids, " ") || q.ids() != "" {
					t.Errorf("got events %q and %q left, want each message once", got, q.ids())
				}
				if q.changes != tt.changes {
					t.Errorf("visibility changes: got %d, want %d", q.changes, tt.changes)
				}
			})
		})
	}
}

func TestQueueKeepsMessagesThatWaitForTheirGroupInvisible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Minute) // it delivers a group while a batch of it is running
		q.sendGroup("A", "1")
		q.sendGroup("A", "2")
		r := newRecorder(func(context.Context, []string) (string, error) {
			time.Sleep(49 * time.Second)
			return failures(), nil
		})
		m := queueMapping(q, r)
		m.QueueARN, m.BatchSize, m.Timeout = fifoARN, 1, 50*time.Second
		run := startMapping(t, m.Run)
		time.Sleep(10 * time.Minute)
		run.stopClean()
		if len(r.times()) != 2 || q.ids() != "" || q.changes != 1 {
			t.Errorf("got events %q, %q left and %d visibility changes; want each message once and the second extended", r.ids(), q.ids(), q.changes)
		}
	})
}

func TestQueueDoesNotInvokeMessagesThatItCannotKeepInvisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fifo   bool
		groups string
		want   string
	}{
		{"standard", false, "GGGG", "a c d"},
		{"FIFO does not invoke the rest of the group", true, "GGHG", "a c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(t, time.Minute)
				q.fifo = tt.fifo
				for _, g := range tt.groups {
					q.sendGroup(string(g), aPart)
				}
				var log logBuffer
				// From the second part on, another consumer has the message.
				r := newRecorder(nil)
				q.failChange = func(m *fakeMessage) bool { return m.id == "b" && r.count() > 0 }
				r.respond = func(context.Context, []string) (string, error) {
					time.Sleep(20 * time.Second)
					return failures(), nil
				}
				m := queueMapping(q, r)
				m.Timeout, m.Logger = 35*time.Second, log.logger()
				if tt.fifo {
					m.QueueARN = fifoARN
				}
				run := startMapping(t, m.Run)
				time.Sleep(65 * time.Second)
				synctest.Wait()
				if got := r.ids(); got != tt.want && !strings.HasPrefix(got, tt.want+" b") {
					t.Errorf("events %q, want %q", got, tt.want)
				}
				if !strings.Contains(log.String(), "action=extend messageId=b") {
					t.Errorf("log %q, want b in it", log.String())
				}
				time.Sleep(10 * time.Minute)
				run.stopClean()
				if q.ids() != "" {
					t.Errorf("messages left: got %q, want none: b is received again", q.ids())
				}
			})
		})
	}
}

func TestQueueDrainMakesPartsThatWaitVisible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS(t, time.Hour)
		q.send(aPart, aPart, aPart)
		r := newRecorder(func(ctx context.Context, _ []string) (string, error) { <-ctx.Done(); return failures(), nil })
		m := queueMapping(q, r)
		m.DrainLimit = 2 * time.Second
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "a" || q.ids() != "bc" || q.find("b").visibleAt.After(time.Now()) || q.find("c").visibleAt.After(time.Now()) {
			t.Errorf("got events %q, %q left and b visible at %v; want b and c visible without an event", r.ids(), q.ids(), q.find("b").visibleAt)
		}
	})
}
