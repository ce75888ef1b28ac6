package queue

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/local/sqsserver/sqserr"
)

// TestReceiveStopsAtTheInFlightLimit lowers the limit, to need few messages.
func TestReceiveStopsAtTheInFlightLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, db := reopen(t, t.TempDir(), nil, nil)
		defer db.Close()
		defer s.Close()
		s.maxInFlight = 3
		if err := s.Create(t.Context(), "q", nil); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			mustSend(t, s, "q", fmt.Sprint(i))
		}
		got, err := s.receive(t.Context(), "q", receiveOptions{max: 10})
		if err != nil || len(got) != 3 {
			t.Fatalf("received %d, %v, want as many as the limit", len(got), err)
		}
		_, err = s.receive(t.Context(), "q", receiveOptions{max: 1})
		if e, ok := errors.AsType[*sqserr.Error](err); !ok || e.Type != "OverLimit" {
			t.Errorf("short poll: got %v, want OverLimit", err)
		}
		start, wait := time.Now(), int64(2000)
		if more, err := s.receive(t.Context(), "q", receiveOptions{max: 1, wait: &wait}); err != nil || len(more) != 0 || time.Since(start) != 2*time.Second {
			t.Errorf("long poll: got %v, %v after %v, want nothing after 2 s", more, err, time.Since(start))
		}
		if err := s.reduce(t.Context(), "q", func(q *queue) error { return q.delete(new(got[0].handle.String())) }); err != nil {
			t.Fatal(err)
		}
		if more, err := s.receive(t.Context(), "q", receiveOptions{max: 10}); err != nil || len(more) != 1 {
			t.Errorf("after one was deleted: got %d, %v, want one", len(more), err)
		}
		time.Sleep(time.Minute) // all time out
		if more, err := s.receive(t.Context(), "q", receiveOptions{max: 10}); err != nil || len(more) != 3 {
			t.Errorf("after the timeout: got %d, %v, want 3", len(more), err)
		}
	})
}

// TestIdlePollSleeps counts how often a receive that waits reads the clock.
func TestIdlePollSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, db := reopen(t, t.TempDir(), nil, nil)
		defer db.Close()
		defer s.Close()
		if err := s.Create(t.Context(), "q", nil); err != nil {
			t.Fatal(err)
		}
		looks := 0
		now := s.opt.Now
		s.opt.Now = func() time.Time { looks++; return now() }
		wait := int64(20_000)
		if got, err := s.receive(t.Context(), "q", receiveOptions{max: 1, wait: &wait}); err != nil || len(got) != 0 {
			t.Fatal(got, err)
		}
		if looks > 20 {
			t.Errorf("the clock was read %d times in one idle poll", looks)
		}
	})
}
