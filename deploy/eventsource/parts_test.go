package eventsource

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// aPart is a body whose record fills most of an event: JSON writes each byte as six.
var aPart = strings.Repeat("\x01", 550<<10)

func TestQueueKeepsWaitingPartsInvisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                        string
		visibility, window, timeout time.Duration
		takes                       time.Duration // an invocation
		deletes                     time.Duration
		parts                       int
		changes                     int // of visibility
	}{
		{"no longer than the visibility together", 200 * time.Second, 0, 59 * time.Second, 58 * time.Second, 0, 3, 0},
		{"the second part would start with two seconds left", 60 * time.Second, 0, 59 * time.Second, 58 * time.Second, 0, 2, 2 + 1},
		{"the last would be visible before it starts", 60 * time.Second, 0, 59 * time.Second, 58 * time.Second, 0, 4, 4 + 3 + 2 + 1},
		{"the timeout is the visibility, and deletes are slow", 60 * time.Second, 0, 60 * time.Second, 59 * time.Second, 5 * time.Second, 3, 3 + 2 + 1},
		{"parts that are fast", 60 * time.Second, 0, 45 * time.Second, time.Second, 0, 4, 0},
		{"a single part that waited in the window", 60 * time.Second, 30 * time.Second, 50 * time.Second, 49 * time.Second, 0, 1, 1},
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
				m.Timeout, m.Window = tt.timeout, tt.window
				run := startMapping(t, m.Run)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				run.stopClean()
				if got := r.ids(); got != strings.Join(ids, " ") || q.ids() != "" {
					t.Errorf("events %q, left %q; want each message once", got, q.ids())
				}
				if q.changes != tt.changes {
					t.Errorf("%d visibilities were changed, want %d", q.changes, tt.changes)
				}
			})
		})
	}
}

func TestQueueDoesNotInvokeWhatItCannotKeepInvisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fifo   bool
		groups string
		want   string
	}{
		{"standard", false, "GGGG", "a c d"},
		{"FIFO holds what is behind it", true, "GGHG", "a c"},
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
				// From the second part on: the queue gave the message to somebody else.
				r := newRecorder(nil)
				q.failChange = func(m *fakeMessage) bool { return m.id == "b" && r.count() > 0 }
				r.answer = func(context.Context, []string) (string, error) {
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
					t.Errorf("log %q does not name b", log.String())
				}
				time.Sleep(10 * time.Minute)
				run.stopClean()
				if q.ids() != "" {
					t.Errorf("left %q: it did not come again", q.ids())
				}
			})
		})
	}
}

func TestQueueDrainGivesBackWaitingParts(t *testing.T) {
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
			t.Errorf("events %q, left %q, b visible at %v; want b and c given back unseen", r.ids(), q.ids(), q.find("b").visibleAt)
		}
	})
}
