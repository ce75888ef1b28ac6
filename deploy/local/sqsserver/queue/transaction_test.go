package queue

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/store"
)

// TestTransactionsOfLargeMessagesAreBounded counts the transactions of concurrent
// sends and of a move task.
func TestTransactionsOfLargeMessagesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		db, err := store.Open(t.TempDir(), store.Options{Synced: func(int) { syncs.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := New(db, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Create(t.Context(), "dead", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context(), "q", map[string]string{settings.RedrivePolicy: fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, s.ARN("dead"))}); err != nil {
			t.Fatal(err)
		}
		leave, entered := make(chan struct{}), make(chan struct{})
		var once sync.Once
		go func() {
			_ = db.Update(t.Context(), func(*bbolt.Tx) error { once.Do(func() { close(entered) }); <-leave; return store.Unchanged(nil) })
		}()
		<-entered
		before := syncs.Load()
		body := strings.Repeat("x", settings.MaxMessageBytes)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := s.SendMessage(t.Context(), &SendMessageInput{QueueURL: "dead", OutgoingMessage: OutgoingMessage{Body: &body}}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(leave)
		wg.Wait()
		if got := syncs.Load() - before; got != 2 {
			t.Errorf("eight sends of 1 MiB took %d transactions, want 2 of 4 MiB", got)
		}
		before = syncs.Load()
		if _, err := s.StartMessageMoveTask(t.Context(), &StartMessageMoveTaskInput{SourceARN: s.ARN("dead"), DestinationARN: s.ARN("q")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if st, err := s.QueueStats("q"); err != nil || st.Ready != 8 {
			t.Errorf("moved: got %+v, %v, want 8", st, err)
		}
		if got := syncs.Load() - before; got != 1+2 {
			t.Errorf("the move took %d transactions, want one for the task and two of 4 MiB", got)
		}
	})
}
