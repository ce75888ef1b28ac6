package queue

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/store"
)

// reopen closes a service and its store and opens them again, as a restart does.
func reopen(t *testing.T, dir string, s *Service, db *store.DB) (*Service, *store.DB) {
	t.Helper()
	if s != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(dir, store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err = New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func mustSend(t *testing.T, s *Service, name, body string) {
	t.Helper()
	p, err := prepare(&OutgoingMessage{Body: &body})
	if err == nil {
		err = s.change(t.Context(), name, func(q *queue) error { _, err := q.send(p); return err })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestartKeepsReceiveState: a visibility timeout, a receive count and a receipt
// handle survive a restart.
func TestRestartKeepsReceiveState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, db := reopen(t, dir, nil, nil)
		if err := s.Create(t.Context(), "q", map[string]string{settings.VisibilityTimeout: "10"}); err != nil {
			t.Fatal(err)
		}
		mustSend(t, s, "q", "x")
		got, _, err := s.receiveNow(t.Context(), "q", receiveOptions{max: 1})
		if err != nil || len(got) != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
		s, db = reopen(t, dir, s, db)
		if again, err := s.receive(t.Context(), "q", receiveOptions{max: 1}); err != nil || len(again) != 0 {
			t.Errorf("received again while in flight: %v, %v", again, err)
		}
		time.Sleep(11 * time.Second)
		again, err := s.receive(t.Context(), "q", receiveOptions{max: 1})
		if err != nil || len(again) != 1 || again[0].count != 2 || again[0].id != got[0].id {
			t.Fatalf("after the timeout: got %v, %v", again, err)
		}
		s, db = reopen(t, dir, s, db)
		if err := s.change(t.Context(), "q", func(q *queue) error { return q.delete(new(again[0].handle.String())) }); err != nil {
			t.Fatal(err)
		}
		if st, err := s.QueueStats("q"); err != nil || st.Ready+st.InFlight != 0 {
			t.Errorf("got %+v, %v, want an empty queue", st, err)
		}
		_ = s.Close()
		_ = db.Close()
	})
}

func TestRestartResumesMoveTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, db := reopen(t, dir, nil, nil)
		for _, name := range []string{"dead", "to"} {
			if err := s.Create(t.Context(), name, nil); err != nil {
				t.Fatal(err)
			}
		}
		policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, s.ARN("dead"))
		if err := s.Create(t.Context(), "q", map[string]string{settings.RedrivePolicy: policy}); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			mustSend(t, s, "dead", fmt.Sprint(i))
		}
		rate := int64(2)
		if _, err := s.StartMessageMoveTask(t.Context(), &StartMessageMoveTaskInput{SourceARN: s.ARN("dead"), DestinationARN: s.ARN("to"), MaxPerSecond: &rate}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		s, db = reopen(t, dir, s, db)
		st, err := s.QueueStats("to")
		if err != nil || st.Ready == 0 || st.Ready == 10 {
			t.Errorf("half way: got %+v, %v", st, err)
		}
		time.Sleep(10 * time.Second)
		if st, err := s.QueueStats("to"); err != nil || st.Ready != 10 {
			t.Errorf("got %+v, %v, want 10 messages", st, err)
		}
		_ = s.Close()
		_ = db.Close()
	})
}

func TestSweepRemovesExpiredMessagesAndDeduplicationIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, db := reopen(t, t.TempDir(), nil, nil)
		defer db.Close()
		defer s.Close()
		if err := s.Create(t.Context(), "q.fifo", map[string]string{settings.FIFOQueue: "true", settings.MessageRetentionPeriod: "60", settings.ContentBasedDeduplication: "true"}); err != nil {
			t.Fatal(err)
		}
		group := "g"
		for i := range 3 {
			body := fmt.Sprint(i)
			p, err := prepare(&OutgoingMessage{Body: &body, GroupID: &group})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.change(t.Context(), "q.fifo", func(q *queue) error { _, err := q.send(p); return err }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Second)
		if st, err := s.QueueStats("q.fifo"); err != nil || st.Ready != 0 || st.OldestAge != 0 {
			t.Errorf("got %+v, %v, want none left", st, err)
		}
		time.Sleep(6 * time.Minute)
		left := -1
		_ = s.change(t.Context(), "q.fifo", func(q *queue) error {
			left = q.b.Bucket(keyDedup).Stats().KeyN + q.b.Bucket(keyDedupEnd).Stats().KeyN
			return nil
		})
		if left != 0 {
			t.Errorf("%d deduplication records left", left)
		}
		checkTrees(t, s, "q.fifo")
	})
}

func TestCloseEndsLongPollsWithoutMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, db := reopen(t, t.TempDir(), nil, nil)
		defer db.Close()
		if err := s.Create(t.Context(), "q", nil); err != nil {
			t.Fatal(err)
		}
		wait := int64(20_000)
		done := make(chan error)
		go func() {
			got, err := s.receive(t.Context(), "q", receiveOptions{max: 1, wait: &wait})
			if len(got) > 0 {
				err = fmt.Errorf("received %v", got)
			}
			done <- err
		}()
		synctest.Wait()
		start := time.Now()
		_ = s.Close()
		if err := <-done; err != nil || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if n := len(s.waiters.byQueue); n != 0 {
			t.Errorf("waiters of %d queues left", n)
		}
	})
}
