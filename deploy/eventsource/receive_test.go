package eventsource

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// watchedSQS notes how many receives run at once, and for how much they ask together.
type watchedSQS struct {
	*fakeSQS
	mu        sync.Mutex
	open      int
	asked     int32
	most      int   // receives at once
	mostAsked int32 // messages asked for at once
	calls     int
	beside    int // receives that began while others ran
	fail      int // this call fails
}

func (w *watchedSQS) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, o ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	w.mu.Lock()
	w.calls++
	mine := w.calls
	if w.open > 0 {
		w.beside++
	}
	w.open++
	w.asked += in.MaxNumberOfMessages
	w.most, w.mostAsked = max(w.most, w.open), max(w.mostAsked, w.asked)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.open--
		w.asked -= in.MaxNumberOfMessages
		w.mu.Unlock()
	}()
	time.Sleep(10 * time.Millisecond) // the way to the queue and back
	if mine == w.fail {
		return nil, errors.New("receive: no answer")
	}
	return w.fakeSQS.ReceiveMessage(ctx, in, o...)
}

// TestQueueFillsLargeBatchesWithReceivesAtOnce: a batch of a hundred takes three ways to the queue, not ten; nothing is asked for
// that would not fit; and where the queue has no more, one receive waits alone.
func TestQueueFillsLargeBatchesWithReceivesAtOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		size     int
		messages int
		body     string
		fail     int
		want     []int // sizes of the events
		most     int   // receives at once
		asked    int32 // messages at once
		beside   int   // receives that begin while others run
		within   time.Duration
	}{
		{"full", 100, 100, "x", 0, []int{100}, 5, 50, 7, 40 * time.Millisecond}, // 10, 50, 40
		{"its share", 23, 23, "x", 0, []int{23}, 2, 13, 1, 40 * time.Millisecond},
		{"not many there", 100, 25, "x", 0, []int{25}, 5, 50, 4, 6 * time.Second},
		{"the first not full", 100, 7, "x", 0, []int{7}, 1, 10, 0, 6 * time.Second},
		{"large messages", 100, 30, strings.Repeat("x", 400<<10), 0, []int{5, 10, 15}, 1, 10, 0, time.Minute},
		{"one fails", 60, 60, "x", 3, []int{10, 50}, 5, 50, 8, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := &watchedSQS{fakeSQS: newFakeSQS(t, 2*time.Minute), fail: tt.fail}
				r := newRecorder(nil)
				m := queueMapping(q.fakeSQS, r)
				m.Client, m.BatchSize, m.Window = q, tt.size, 5*time.Second
				q.send(slices.Repeat([]string{tt.body}, tt.messages)...)
				run := startMapping(t, m.Run)
				time.Sleep(tt.within)
				synctest.Wait()
				run.stopClean()
				if got := r.sizes(); !slices.Equal(got, tt.want) {
					t.Errorf("events of %v messages, want %v", got, tt.want)
				}
				if q.beside != tt.beside {
					t.Errorf("%d receives began beside others, want %d", q.beside, tt.beside)
				}
				if q.most != tt.most || q.mostAsked != tt.asked {
					t.Errorf("%d receives at once for %d messages, want %d for %d", q.most, q.mostAsked, tt.most, tt.asked)
				}
			})
		})
	}
}
