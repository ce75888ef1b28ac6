package queue

import (
	"context"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
)

// ChangeMessageVisibilityInput is the input of [Service.ChangeMessageVisibility].
type ChangeMessageVisibilityInput struct {
	QueueURL          string  `json:"QueueUrl"`
	ReceiptHandle     *string `json:"ReceiptHandle"`
	VisibilityTimeout *int64  `json:"VisibilityTimeout"` // seconds from now
}

// ChangeMessageVisibilityBatchInput is the input of
// [Service.ChangeMessageVisibilityBatch].
type ChangeMessageVisibilityBatchInput struct {
	QueueURL string                              `json:"QueueUrl"`
	Entries  []ChangeMessageVisibilityBatchEntry `json:"Entries"`
}

// ChangeMessageVisibilityBatchEntry changes the visibility of one message of a
// batch.
type ChangeMessageVisibilityBatchEntry struct {
	ID                string  `json:"Id"`
	ReceiptHandle     *string `json:"ReceiptHandle"`
	VisibilityTimeout *int64  `json:"VisibilityTimeout"`
}

// ChangeMessageVisibility sets when a received message becomes visible again, at
// most 12 hours after its receive; a longer change is refused and not cut.
func (s *Service) ChangeMessageVisibility(ctx context.Context, in *ChangeMessageVisibilityInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	return s.reduce(ctx, name, func(q *queue) error { return q.changeVisibility(in.ReceiptHandle, in.VisibilityTimeout) })
}

// ChangeMessageVisibilityBatch changes the visibility of up to ten messages, each
// as [Service.ChangeMessageVisibility] does.
func (s *Service) ChangeMessageVisibilityBatch(ctx context.Context, in *ChangeMessageVisibilityBatchInput) (*BatchOutput, error) {
	return forEach(ctx, s, in.QueueURL, in.Entries,
		func(e *ChangeMessageVisibilityBatchEntry) string { return e.ID },
		func(q *queue, e *ChangeMessageVisibilityBatchEntry) error {
			return q.changeVisibility(e.ReceiptHandle, e.VisibilityTimeout)
		})
}

func (q *queue) changeVisibility(receiptHandle *string, timeout *int64) error {
	if receiptHandle == nil {
		return sqserr.MissingParameter("ReceiptHandle")
	}
	if timeout == nil {
		return sqserr.MissingParameter(settings.VisibilityTimeout)
	}
	h, err := q.parseHandle(*receiptHandle)
	if err != nil {
		return err
	}
	seconds := *timeout
	if seconds < 0 || seconds > settings.MaxVisibility {
		return sqserr.InvalidValue(seconds, settings.VisibilityTimeout, "VisibilityTimeout must be an integer between 0 and 43200.")
	}
	st, ok := q.state(h.key)
	if !ok || st.nonce != h.nonce || q.conf.FIFO && st.availableAt <= q.now {
		return sqserr.InvalidValue(*receiptHandle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	}
	if st.availableAt <= q.now { // another receive may return it at any moment
		return sqserr.Named("MessageNotInflight", "The message referred to is not in flight.")
	}
	if (q.now-st.last)/1000+seconds > settings.MaxVisibility {
		return sqserr.InvalidValue(seconds, settings.VisibilityTimeout, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	return q.replace(h.key, st, q.now+seconds*1000, kindPutOff)
}

// releaseBatch bounds the messages that one transaction of Release changes.
const releaseBatch = 1000

// Release makes every message of the queue that is in flight visible at once and
// returns their number. It leaves messages whose visibility was changed since
// their receive, because a worker decided when they return. Receipt handles stay
// valid until the next receive. Release is for an owner who knows that the
// process that received the messages has ended; AWS has no such action, there
// the visibility timeout must end.
func (s *Service) Release(ctx context.Context, name string) (int, error) {
	total := 0
	for {
		n := 0
		err := s.reduce(ctx, name, func(q *queue) error {
			keys := q.inFlight(releaseBatch)
			n = len(keys)
			for _, k := range keys {
				st, ok := q.state(k)
				if !ok {
					return errDamaged
				}
				if err := q.replace(k, st, q.now, kindInFlight); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		if total += n; n < releaseBatch {
			return total, nil
		}
	}
}

// inFlight returns up to limit messages that are in flight and whose visibility
// was not changed.
func (q *queue) inFlight(limit int) []key {
	var keys []key
	c := q.waiting().Cursor()
	for raw, kind := c.First(); raw != nil && len(keys) < limit; raw, kind = c.Next() {
		if at, k := splitTimeKey(raw); len(kind) == 1 && kind[0] == kindInFlight && at > q.now {
			keys = append(keys, k)
		}
	}
	return keys
}
