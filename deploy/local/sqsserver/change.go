package sqsserver

import (
	"context"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// change runs fn on a queue in a writing transaction. fn may run more than once. An [*Error] from fn means that it changed
// nothing.
func (s *Service) change(ctx context.Context, name string, fn func(*queue) error) error {
	return s.db.Update(ctx, s.onQueue(name, fn))
}

// grow is change for what puts about so many bytes into the queue.
func (s *Service) grow(ctx context.Context, name string, bytes int, fn func(*queue) error) error {
	return s.db.UpdateBytes(ctx, bytes, s.onQueue(name, fn))
}

// reduce is change for what makes the queue smaller, or is a step to it. It works on a full disk too.
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
			if e, ok := err.(*Error); ok {
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

// delete takes a received message out of the queue. As in SQS, it succeeds if the message is gone already, and if it was
// received again since: then the handle is old, and the message stays.
func (q *queue) delete(receiptHandle string) error {
	h, err := q.parseHandle(receiptHandle)
	if err != nil {
		return err
	}
	st, ok := q.state(h.key)
	if !ok || st.nonce != h.nonce {
		return nil
	}
	var group []byte
	if q.conf.fifo {
		if st.availableAt <= q.now {
			return errHandleExpired(receiptHandle)
		}
		m, err := q.load(h.key)
		if err != nil {
			return err
		}
		group = append(group, m.group...)
	}
	if err := q.remove(h.key, st.availableAt, group); err != nil {
		return err
	}
	return q.settle(group)
}

// changeVisibility sets when a received message becomes visible again, in seconds from now. The end is at most 12 hours after
// the receive; a longer change is refused and not cut. Release leaves such a message alone.
func (q *queue) changeVisibility(receiptHandle string, seconds int64) error {
	h, err := q.parseHandle(receiptHandle)
	if err != nil {
		return err
	}
	if seconds < 0 || seconds > maxVisibility {
		return errValue(seconds, attrVisibility, "VisibilityTimeout must be an integer between 0 and 43200.")
	}
	st, ok := q.state(h.key)
	if !ok || st.nonce != h.nonce || q.conf.fifo && st.availableAt <= q.now {
		return errValue(receiptHandle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	}
	if st.availableAt <= q.now { // another receive may have it any moment: it is not hidden again
		return errBatch("MessageNotInflight", "The message referred to is not in flight.")
	}
	if (q.now-st.last)/1000+seconds > maxVisibility {
		return errValue(seconds, attrVisibility, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	var group []byte
	if q.conf.fifo {
		m, err := q.load(h.key)
		if err != nil {
			return err
		}
		group = append(group, m.group...)
	}
	if err := q.lift(h.key, st.availableAt); err != nil {
		return err
	}
	st.availableAt = q.now + seconds*1000
	if err := q.place(h.key, st.availableAt, kindPutOff, group); err != nil {
		return err
	}
	if err := q.states().Put(h.key[:], st.encode()); err != nil {
		return err
	}
	return q.settle(group)
}

// purgeInterval is how long AWS lets nobody purge again, in milliseconds.
const purgeInterval = 60_000

// purge removes all messages, those in flight included.
func (q *queue) purge() error {
	c := *q.conf
	if c.Purged != 0 && q.now-c.Purged < purgeInterval {
		e := errBatch("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
		e.Status = 403
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
	q.open = handles{}
	c.Purged = q.now
	raw, err := c.encode()
	if err != nil {
		return err
	}
	q.n, q.changed, q.wake = counts{}, true, true
	return q.b.Put(keyConfig, raw)
}
