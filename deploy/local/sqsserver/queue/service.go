// Package queue is a queue service with the rules of SQS over a [store.DB]. Its
// methods are the actions of SQS, with typed input and output, for the protocols
// of package sqsserver and for callers in the same process.
//
// It keeps the rules for visibility timeouts, delays, receive counts, dead-letter
// queues and their redrive, retention, FIFO groups and deduplication, batches,
// limits, and errors. An action returns after its transaction has reached the
// disk; concurrent actions share an fsync.
//
// # Storage
//
// Each queue is a bucket under "sqs". A message has a key, which is the time it
// was sent and its sequence number, so keys order messages by age. The message
// is stored under its key in "m" until it is deleted. The parts that change are
// small and stored apart: the receive state in "s", and the place of the message
// in "r" (ready, ordered by the time it became ready) or in "w" (waiting for a
// time because it is delayed or in flight, ordered by that time). A receive reads
// only the front of both. A FIFO queue has the order of its groups in "g" instead
// of "r", and in "h" the groups whose head can be received.
package queue

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/store"
)

// Options configures a [Service]. The zero value works.
type Options struct {
	// Region is the region in ARNs. Empty means "us-east-1".
	Region string

	// Account is the account in ARNs and queue URLs, twelve digits. Empty means
	// "000000000000".
	Account string

	// BaseURL begins queue URLs, for example "http://127.0.0.1:9000". Empty means
	// that the URLs are paths.
	BaseURL string

	// Now is the clock. Nil means that of the store. Waiting uses timers of
	// package time, so a clock that does not keep pace with it makes long polls
	// late.
	Now func() time.Time

	// Logger receives failures in the background and inside the service. Nil
	// discards them.
	Logger *slog.Logger
}

// Service is the queue service. It is safe for concurrent use.
type Service struct {
	db      *store.DB
	opt     Options
	cache   settings.Cache
	waiters waiters

	maxInFlight int64 // lowered by tests

	stop     context.Context // done when Close is called
	stopFunc context.CancelFunc
	work     sync.WaitGroup // the sweeper and the move tasks
}

// New returns a service over db and resumes the move tasks that were running when
// the service was last closed. [Service.Close] must be called before the store is
// closed.
func New(db *store.DB, o Options) (*Service, error) {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = db.Now
	}
	stop, stopFunc := context.WithCancel(context.Background())
	s := &Service{db: db, opt: o, stop: stop, stopFunc: stopFunc, maxInFlight: maxInFlight}
	// On a full disk the service must open, so that messages can be deleted.
	err := db.UpdateEvenIfFull(stop, func(tx *bbolt.Tx) error {
		if tx.Bucket(rootBucket) != nil && tx.Bucket(tasksBucket) != nil {
			return store.Unchanged(nil)
		}
		for _, b := range [][]byte{rootBucket, tasksBucket} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.resumeTasks()
	}
	if err != nil {
		stopFunc()
		return nil, fmt.Errorf("open queue service: %w", err)
	}
	s.work.Go(s.sweep)
	return s, nil
}

// Close ends the work in the background and waits for it, and ends long polls,
// which return no messages. Later actions are served as long as the store is
// open, but no poll waits.
func (s *Service) Close() error {
	s.stopFunc()
	s.work.Wait()
	return nil
}

// ARN returns the ARN of a queue, which need not exist.
func (s *Service) ARN(queue string) string {
	return "arn:aws:sqs:" + s.opt.Region + ":" + s.opt.Account + ":" + queue
}

// URL returns the URL of a queue, which need not exist.
func (s *Service) URL(queue string) string {
	return s.opt.BaseURL + "/" + s.opt.Account + "/" + queue
}

func (s *Service) nowMillis() int64 { return s.opt.Now().UnixMilli() }
