package queue

import (
	"context"
	"net/http"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/store"
)

// DeleteQueueInput is the input of [Service.DeleteQueue].
type DeleteQueueInput struct {
	QueueURL string `json:"QueueUrl"`
}

// DeleteQueue removes a queue with its messages and move tasks. Its name can be
// used again at once.
func (s *Service) DeleteQueue(ctx context.Context, in *DeleteQueueInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	return s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		if _, err := s.open(tx, name); err != nil {
			return store.Unchanged(err)
		}
		tx.OnCommit(func() {
			s.cache.Forget(name)
			s.waiters.wakeAll(name)
		})
		tasks, err := readTasks(tx, name)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			if err := tx.Bucket(tasksBucket).Delete(t.id); err != nil {
				return err
			}
		}
		return tx.Bucket(rootBucket).DeleteBucket([]byte(name))
	})
}

// PurgeQueueInput is the input of [Service.PurgeQueue].
type PurgeQueueInput struct {
	QueueURL string `json:"QueueUrl"`
}

// PurgeQueue removes all messages of a queue, those in flight included.
func (s *Service) PurgeQueue(ctx context.Context, in *PurgeQueueInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	return s.reduce(ctx, name, (*queue).purge)
}

// purgeInterval is how long AWS refuses another purge, in milliseconds.
const purgeInterval = 60_000

func (q *queue) purge() error {
	c := *q.conf
	if c.Purged != 0 && q.now-c.Purged < purgeInterval {
		e := sqserr.Named("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
		e.Status = http.StatusForbidden
		return e
	}
	for _, name := range perMessage {
		if err := q.b.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := q.b.CreateBucket(name); err != nil {
			return err
		}
	}
	q.open = buckets{}
	c.Purged = q.now
	raw, err := c.Encode()
	if err != nil {
		return err
	}
	q.n, q.changed, q.wake = counts{}, true, true
	return q.b.Put(keyConfig, raw)
}
