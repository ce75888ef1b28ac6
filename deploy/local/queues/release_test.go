package queues

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// TestRelease gives back what a process that is gone had received, and leaves what is delayed.
func TestRelease(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"q", "q.fifo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, db := reopen(t, t.TempDir(), nil, nil)
				defer db.Close()
				defer s.Close()
				attrs := map[string]string{attrVisibility: "43200"}
				group := "g"
				if name == "q.fifo" {
					attrs[attrFifo], attrs[attrContentDedup] = "true", "true"
				}
				if err := s.Create(t.Context(), name, attrs); err != nil {
					t.Fatal(err)
				}
				for i := range 5 {
					body, in := fmt.Sprint(i), outgoing{GroupID: &group}
					if delay := int64(900); name == "q" && i == 4 {
						in.Delay = &delay
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
				if got, err := s.receive(t.Context(), name, receipt{max: 3}); err != nil || len(got) != 3 {
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
				got, err := s.receive(t.Context(), name, receipt{max: 10})
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
