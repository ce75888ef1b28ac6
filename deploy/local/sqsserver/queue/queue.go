package queue

import (
	"context"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/store"
)

// queue is one queue within one transaction. The methods that change something
// are called in writing transactions only. After an error other than a
// [*sqserr.Error] the transaction must be rolled back.
type queue struct {
	s    *Service
	tx   *bbolt.Tx
	name string
	b    *bbolt.Bucket
	conf *settings.Settings
	now  int64 // Unix milliseconds, read once for the transaction
	open buckets

	n       counts
	changed bool // n must be written
	wake    bool // a receive that waits may find a message, or must look earlier than it planned
}

// open returns a queue. The error is QueueDoesNotExist if there is none.
func (s *Service) open(tx *bbolt.Tx, name string) (*queue, error) {
	root := tx.Bucket(rootBucket)
	if root == nil {
		return nil, sqserr.QueueDoesNotExist()
	}
	b := root.Bucket([]byte(name))
	if b == nil {
		return nil, sqserr.QueueDoesNotExist()
	}
	conf, err := s.cache.Get(name, b.Get(keyConfig))
	if err != nil {
		return nil, err
	}
	return &queue{s: s, tx: tx, name: name, b: b, conf: conf, now: s.nowMillis(), n: decodeCounts(b.Get(keyCounts))}, nil
}

// view runs fn on a queue in a reading transaction.
func (s *Service) view(name string, fn func(*queue) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		return fn(q)
	})
}

// change runs fn on a queue in a writing transaction. fn may run more than once.
// A [*sqserr.Error] from fn means that it changed nothing.
func (s *Service) change(ctx context.Context, name string, fn func(*queue) error) error {
	return s.db.Update(ctx, s.onQueue(name, fn))
}

// grow is change for an fn that adds about so many bytes to the queue.
func (s *Service) grow(ctx context.Context, name string, bytes int, fn func(*queue) error) error {
	return s.db.UpdateBytes(ctx, bytes, s.onQueue(name, fn))
}

// reduce is change for an fn that makes the queue smaller, or is a step toward
// that. It works on a full disk too.
func (s *Service) reduce(ctx context.Context, name string, fn func(*queue) error) error {
	return s.db.UpdateEvenIfFull(ctx, s.onQueue(name, fn))
}

func (s *Service) onQueue(name string, fn func(*queue) error) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return store.Unchanged(err)
		}
		if err := fn(q); err != nil {
			if e, ok := err.(*sqserr.Error); ok {
				return store.Unchanged(e)
			}
			return err
		}
		if !q.changed && !q.wake {
			return store.Unchanged(nil)
		}
		return q.save()
	}
}

// save writes the counts, and wakes a receive that waits after the commit.
func (q *queue) save() error {
	if q.changed {
		if err := q.b.Put(keyCounts, q.n.encode()); err != nil {
			return err
		}
	}
	if q.wake {
		waiters, name := &q.s.waiters, q.name
		q.tx.OnCommit(func() { waiters.wake(name) })
	}
	return nil
}

// buckets are the buckets of a queue that were used so far: bbolt searches a
// bucket by its name each time.
type buckets struct{ messages, states, ready, waiting, groups, heads, listed *bbolt.Bucket }

func (q *queue) bucket(kept **bbolt.Bucket, name []byte) *bbolt.Bucket {
	if *kept == nil {
		*kept = q.b.Bucket(name)
	}
	return *kept
}

func (q *queue) messages() *bbolt.Bucket { return q.bucket(&q.open.messages, keyMessages) }
func (q *queue) states() *bbolt.Bucket   { return q.bucket(&q.open.states, keyStates) }
func (q *queue) ready() *bbolt.Bucket    { return q.bucket(&q.open.ready, keyReady) }
func (q *queue) waiting() *bbolt.Bucket  { return q.bucket(&q.open.waiting, keyWaiting) }
func (q *queue) groups() *bbolt.Bucket   { return q.bucket(&q.open.groups, keyGroups) }
func (q *queue) heads() *bbolt.Bucket    { return q.bucket(&q.open.heads, keyHeads) }
func (q *queue) listed() *bbolt.Bucket   { return q.bucket(&q.open.listed, keyListed) }

// load reads a message that an index names.
func (q *queue) load(k key) (message, error) {
	v := q.messages().Get(k[:])
	if v == nil {
		return message{}, errDamaged
	}
	return decodeMessage(v)
}

// loadGroup returns a copy of the group of a message, nil in a standard queue.
func (q *queue) loadGroup(k key) ([]byte, error) {
	if !q.conf.FIFO {
		return nil, nil
	}
	m, err := q.load(k)
	return append([]byte(nil), m.group...), err
}

// state reads the receive state of a message. ok is false if it was never
// received.
func (q *queue) state(k key) (st state, ok bool) { return decodeState(q.states().Get(k[:])) }

// availableAt returns the time in the index entry of a message.
func (q *queue) availableAt(k key) (int64, error) {
	if st, ok := q.state(k); ok {
		return st.availableAt, nil
	}
	m, err := q.load(k)
	return m.availableAt, err
}

// expired reports whether the retention period of a message is over.
func (q *queue) expired(k key) bool { return k.sent()+q.conf.Retention <= q.now }
