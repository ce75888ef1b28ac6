package queue

import (
	"context"

	"sluice/deploy/local/sqsserver/sqserr"
)

// DeleteMessageInput is the input of [Service.DeleteMessage].
type DeleteMessageInput struct {
	QueueURL      string  `json:"QueueUrl"`
	ReceiptHandle *string `json:"ReceiptHandle"`
}

// DeleteMessageBatchInput is the input of [Service.DeleteMessageBatch].
type DeleteMessageBatchInput struct {
	QueueURL string                    `json:"QueueUrl"`
	Entries  []DeleteMessageBatchEntry `json:"Entries"`
}

// DeleteMessageBatchEntry deletes one message of a batch.
type DeleteMessageBatchEntry struct {
	ID            string  `json:"Id"`
	ReceiptHandle *string `json:"ReceiptHandle"`
}

// BatchOutput has the outcome of each entry of a batch that returns nothing else.
type BatchOutput struct {
	Successful []BatchEntry  `json:"Successful"`
	Failed     []FailedEntry `json:"Failed,omitempty"`
}

// BatchEntry is an entry that succeeded.
type BatchEntry struct {
	ID string `json:"Id"`
}

// DeleteMessage deletes a received message. As in SQS, it succeeds if the message
// was deleted before, and if it was received again since: then the handle is old,
// and the message stays.
func (s *Service) DeleteMessage(ctx context.Context, in *DeleteMessageInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	return s.reduce(ctx, name, func(q *queue) error { return q.delete(in.ReceiptHandle) })
}

// DeleteMessageBatch deletes up to ten messages, each as [Service.DeleteMessage]
// does.
func (s *Service) DeleteMessageBatch(ctx context.Context, in *DeleteMessageBatchInput) (*BatchOutput, error) {
	return forEach(ctx, s, in.QueueURL, in.Entries,
		func(e *DeleteMessageBatchEntry) string { return e.ID },
		func(q *queue, e *DeleteMessageBatchEntry) error { return q.delete(e.ReceiptHandle) })
}

// forEach runs do on each entry of a batch in one transaction.
func forEach[E any](ctx context.Context, s *Service, url string, entries []E, id func(*E) string, do func(*queue, *E) error) (*BatchOutput, error) {
	name, err := s.nameFromURL(url)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(entries, id); err != nil {
		return nil, err
	}
	var out *BatchOutput
	err = s.reduce(ctx, name, func(q *queue) error {
		out = &BatchOutput{Successful: make([]BatchEntry, 0, len(entries))}
		for i := range entries {
			e := &entries[i]
			err := do(q, e)
			if refused, ok := err.(*sqserr.Error); ok {
				out.Failed = append(out.Failed, failEntry(id(e), refused))
				continue
			}
			if err != nil {
				return err
			}
			out.Successful = append(out.Successful, BatchEntry{id(e)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (q *queue) delete(receiptHandle *string) error {
	if receiptHandle == nil {
		return sqserr.MissingParameter("ReceiptHandle")
	}
	h, err := q.parseHandle(*receiptHandle)
	if err != nil {
		return err
	}
	st, ok := q.state(h.key)
	if !ok || st.nonce != h.nonce {
		return nil
	}
	if q.conf.FIFO && st.availableAt <= q.now {
		return sqserr.ReceiptHandleExpired(*receiptHandle)
	}
	group, err := q.loadGroup(h.key)
	if err != nil {
		return err
	}
	if err := q.remove(h.key, st.availableAt, group); err != nil {
		return err
	}
	return q.settle(group)
}
