// Package queues speaks the SQS protocol over a [store.DB], and the query protocol that older clients speak, so that any SQS client
// can use the one-machine home.
//
// It keeps SQS's rules: visibility timeouts, delays, receive counts, dead-letter queues and their redrive, retention, FIFO
// groups and deduplication, batches, limits, and the errors that SDKs turn into types. An action is answered after its
// transaction has reached the disk; actions that run at the same time share one fsync.
//
// It departs from AWS in these points, each because one machine knows what a distributed service cannot:
//   - Attributes take effect at once, counts are exact, a short poll sees every message.
//   - ChangeMessageVisibility for a message that is visible again is MessageNotInflight, as AWS documents it. AWS was seen to
//     answer success and do nothing.
//   - A name can be used again right after DeleteQueue; AWS asks for 60 seconds.
//   - ReceiveRequestAttemptId is checked and otherwise ignored: a receive is not replayed.
//   - Policies, permissions and encryption keys are kept and shown, and decide nothing. AddPermission and RemovePermission are
//     refused as unsupported.
//
// There is no authentication here: a middleware that checks signatures stands in front.
//
// # What lies where
//
// Each queue is a bucket under "sqs". A message has a key, its sent time and sequence number, which orders by age, and stands in
// "m" until it is deleted. What changes while it lives is small and lies apart: the receive state in "s"; whether it can be
// received in "r" (ready, ordered by the time it became so) or "w" (waiting for a time: delayed or in flight, ordered by that
// time). A receive looks only at the front of both. A FIFO queue has the order of its groups in "g" instead of "r", and in "h"
// the groups whose head can be received.
package sqsserver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// Options are what [New] can be told. The zero value works.
type Options struct {
	// Region is the region in ARNs. Empty means "us-east-1".
	Region string

	// Account is the account in ARNs and queue URLs, twelve digits. Empty means "000000000000".
	Account string

	// BaseURL begins queue URLs, for example "http://127.0.0.1:9000". Empty means what the request was sent to; then
	// [Service.URL], which has no request, gives a path only.
	BaseURL string

	// Now is the clock. Nil means that of the store. Waiting is done with timers of package time, so a clock that does not run
	// with it makes long polls late; in tests testing/synctest moves both.
	Now func() time.Time

	// Logger hears what goes wrong in the background and inside the service. Nil means silence.
	Logger *slog.Logger
}

// Service is the queue service. It is safe for concurrent use. It is an http.Handler for the protocol, and has a few methods
// for the other parts of the same process.
type Service struct {
	db    *store.DB
	opt   Options
	confs configCache
	lines lines

	maxInFlight int64 // maxInFlight but in tests

	stop     context.Context // done when Close is called
	stopFunc context.CancelFunc
	work     sync.WaitGroup // the sweeper and the move tasks
}

// New makes the service over db and goes on with the move tasks that were running when the process before ended. Call
// [Service.Close] before the store's.
func New(db *store.DB, o Options) (*Service, error) {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = db.Now
	}
	stop, stopFunc := context.WithCancel(context.Background())
	s := &Service{
		db: db, opt: o, stop: stop, stopFunc: stopFunc,
		lines:       lines{byQueue: map[string][]*waiter{}},
		maxInFlight: maxInFlight,
	}
	s.confs.byName = map[string]*config{}
	err := db.UpdateEvenIfFull(stop, func(tx *bbolt.Tx) error { // a full home must open to be emptied
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
		return nil, fmt.Errorf("queues: %w", err)
	}
	s.work.Go(s.sweep)
	return s, nil
}

// Close ends long polls, with an empty answer, and the work in the background, and waits for the latter. Actions that come
// later are still served as long as the store is open, but no poll waits.
func (s *Service) Close() error {
	s.stopFunc()
	s.work.Wait()
	return nil
}

// Create makes a queue, with SQS's attribute names and values. If it exists with the same values for attrs, nothing happens; if
// one differs, the error is an [*Error] of type QueueNameExists.
func (s *Service) Create(ctx context.Context, name string, attrs map[string]string) error {
	return s.createQueue(ctx, name, attrs, nil, (*config).differs)
}

// Difference is an attribute of a queue that has another value than was asked for.
type Difference struct{ Attribute, Is, Asked string }

// Ensure is [Service.Create] for who takes a queue as it stands: if it exists, it stays as it is, and the answer says where it
// differs from attrs.
func (s *Service) Ensure(ctx context.Context, name string, attrs map[string]string) ([]Difference, error) {
	var out []Difference
	err := s.createQueue(ctx, name, attrs, nil, func(c *config, given map[string]string) error {
		out = c.differences(given)
		return nil
	})
	return out, err
}

// SendTx puts a message into a standard queue within a transaction of the store: it is sent if and only if the transaction is
// committed. It changes nothing if it returns an error, which is an [*Error] if a rule of SQS forbids the message.
func (s *Service) SendTx(tx *bbolt.Tx, queue, body string) error {
	out, err := prepare(&outgoing{Body: &body})
	if err != nil {
		return err
	}
	q, err := s.open(tx, queue)
	if err != nil {
		return err
	}
	if _, err := q.send(out); err != nil {
		return err
	}
	return q.save()
}

// ARN is the queue's name as policies, events and redrive policies write it. The queue need not exist.
func (s *Service) ARN(queue string) string {
	return "arn:aws:sqs:" + s.opt.Region + ":" + s.opt.Account + ":" + queue
}

// URL is the queue's URL as clients use it. The queue need not exist.
func (s *Service) URL(queue string) string { return s.queueURL("", queue) }

func (s *Service) queueURL(base, queue string) string {
	return cmp.Or(s.opt.BaseURL, base) + "/" + s.opt.Account + "/" + queue
}

func (s *Service) nowMillis() int64 { return s.opt.Now().UnixMilli() }
