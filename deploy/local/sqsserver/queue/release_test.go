package queue

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/local/sqsserver/settings"
)

func TestReleaseMakesInFlightMessagesVisible(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"q", "q.fifo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, db := reopen(t, t.TempDir(), nil, nil)
				defer db.Close()
				defer s.Close()
				attrs := map[string]string{settings.VisibilityTimeout: "43200"}
				group := "g"
				if name == "q.fifo" {
					attrs[settings.FIFOQueue], attrs[settings.ContentBasedDeduplication] = "true", "true"
				}
				if err := s.Create(t.Context(), name, attrs); err != nil {
					t.Fatal(err)
				}
				for i := range 5 {
					body, in := fmt.Sprint(i), OutgoingMessage{GroupID: &group}
					if delay := int64(900); name == "q" && i == 4 {
						in.DelaySeconds = &delay
					}
					in.Body = &body
					p, err := prepare(&in)
					if err == nil {
						err = s.change(t.Context(), name, func(q *queue) error { _, err := q.send(p); return err })
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if got, err := s.receive(t.Context(), name, receiveOptions{max: 3}); err != nil || len(got) != 3 {
					t.Fatalf("received %d, %v", len(got), err)
				}
				if n, err := s.Release(t.Context(), name); err != nil || n != 3 {
					t.Errorf("released %d, %v, want 3", n, err)
				}
				checkTrees(t, s, name)
				want := 5
				if name == "q" {
					want = 4 // the fifth is delayed
				}
				got, err := s.receive(t.Context(), name, receiveOptions{max: 10})
				if err != nil || len(got) != want {
					t.Fatalf("received %d, %v, want %d", len(got), err, want)
				}
				counts := map[string]uint32{}
				for _, d := range got {
					counts[d.body] = d.count
				}
				if counts["0"] != 2 || counts["3"] != 1 {
					t.Errorf("receive counts: got %v", counts)
				}
				if n, err := s.Release(t.Context(), "no"); err == nil {
					t.Errorf("no queue: released %d", n)
				}
			})
		})
	}
}

// TestReleaseLeavesChangedVisibility restarts with a message whose visibility a
// worker set to an hour: it returns after the hour and not earlier. After its next
// receive a restart releases it like any other.
func TestReleaseLeavesChangedVisibility(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"q", "q.fifo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				s, db := reopen(t, dir, nil, nil)
				attrs := map[string]string{settings.VisibilityTimeout: "360"}
				if name == "q.fifo" {
					attrs[settings.FIFOQueue], attrs[settings.ContentBasedDeduplication] = "true", "true"
				}
				if err := s.Create(t.Context(), name, attrs); err != nil {
					t.Fatal(err)
				}
				for i, seconds := range []int64{3600, 0} { // hidden for an hour, and made visible
					body, group := fmt.Sprint(i), fmt.Sprint("g", i)
					in := OutgoingMessage{Body: &body}
					if name == "q.fifo" {
						in.GroupID = &group
					}
					p, err := prepare(&in)
					if err == nil {
						err = s.change(t.Context(), name, func(q *queue) error { _, err := q.send(p); return err })
					}
					if err != nil {
						t.Fatal(err)
					}
					got, _, err := s.receiveNow(t.Context(), name, receiveOptions{max: 1})
					if err != nil || len(got) != 1 || got[0].body != body {
						t.Fatalf("received %v, %v", got, err)
					}
					handle := got[0].handle.String()
					if err := s.change(t.Context(), name, func(q *queue) error { return q.changeVisibility(&handle, &seconds) }); err != nil {
						t.Fatal(err)
					}
					if seconds == 0 { // in flight again when the process ends
						if got, _, err = s.receiveNow(t.Context(), name, receiveOptions{max: 1}); err != nil || len(got) != 1 {
							t.Fatalf("received %v, %v", got, err)
						}
					}
				}
				began := time.Now()
				for restart := range 3 {
					s, db = reopen(t, dir, s, db)
					want := 0
					if restart == 0 {
						want = 1
					}
					if n, err := s.Release(t.Context(), name); err != nil || n != want {
						t.Errorf("restart %d released %d, %v, want %d", restart, n, err, want)
					}
					checkTrees(t, s, name)
				}
				if got, _, err := s.receiveNow(t.Context(), name, receiveOptions{max: 10}); err != nil || len(got) != 1 || got[0].body != "1" {
					t.Errorf("received %v, %v, want only the message that was made visible", got, err)
				}
				time.Sleep(time.Hour - time.Millisecond - time.Since(began))
				if got, _, err := s.receiveNow(t.Context(), name, receiveOptions{max: 10, visibility: new(int64)}); err != nil || len(got) != 1 || got[0].body != "1" {
					t.Errorf("received %v, %v before the hour was over", got, err)
				}
				time.Sleep(time.Millisecond)
				if got, _, err := s.receiveNow(t.Context(), name, receiveOptions{max: 10}); err != nil || len(got) != 2 {
					t.Errorf("received %v, %v after an hour, want both", got, err)
				}
				s, db = reopen(t, dir, s, db)
				defer db.Close()
				defer s.Close()
				if n, err := s.Release(t.Context(), name); err != nil || n != 2 {
					t.Errorf("released %d, %v, want both: a receive replaces the changed visibility", n, err)
				}
				checkTrees(t, s, name)
			})
		})
	}
}
