package queue

import (
	"context"
	"errors"
	"strconv"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
)

// SendMessageInput is the input of [Service.SendMessage].
type SendMessageInput struct {
	QueueURL string `json:"QueueUrl"`
	OutgoingMessage
}

// SendMessageOutput is the output of [Service.SendMessage].
type SendMessageOutput struct {
	MessageID             string `json:"MessageId"`
	MD5OfBody             string `json:"MD5OfMessageBody"`
	MD5OfAttributes       string `json:"MD5OfMessageAttributes,omitempty"`
	MD5OfSystemAttributes string `json:"MD5OfMessageSystemAttributes,omitempty"`
	SequenceNumber        string `json:"SequenceNumber,omitempty"` // of a FIFO queue
}

// SendMessage adds a message to a queue.
func (s *Service) SendMessage(ctx context.Context, in *SendMessageInput) (*SendMessageOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	p, err := prepare(&in.OutgoingMessage)
	if err != nil {
		return nil, err
	}
	var a sent
	err = s.grow(ctx, name, p.bytes, func(q *queue) (err error) {
		a, err = q.send(p)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := p.output(a)
	return &out, nil
}

// SendMessageBatchInput is the input of [Service.SendMessageBatch].
type SendMessageBatchInput struct {
	QueueURL string                  `json:"QueueUrl"`
	Entries  []SendMessageBatchEntry `json:"Entries"`
}

// SendMessageBatchEntry is one message of a batch.
type SendMessageBatchEntry struct {
	ID string `json:"Id"`
	OutgoingMessage
}

// SendMessageBatchOutput is the output of [Service.SendMessageBatch].
type SendMessageBatchOutput struct {
	Successful []SentEntry   `json:"Successful"`
	Failed     []FailedEntry `json:"Failed,omitempty"`
}

// SentEntry is an entry whose message was sent.
type SentEntry struct {
	ID string `json:"Id"`
	SendMessageOutput
}

// SendMessageBatch adds up to ten messages to a queue in order. Each entry
// succeeds or fails on its own.
func (s *Service) SendMessageBatch(ctx context.Context, in *SendMessageBatchInput) (*SendMessageBatchOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, func(e *SendMessageBatchEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += in.Entries[i].size()
	}
	if total > settings.MaxMessageBytes {
		return nil, sqserr.Named("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", settings.MaxMessageBytes, total)
	}
	ps := make([]*prepared, len(in.Entries))
	fails := make([]*sqserr.Error, len(in.Entries))
	for i := range in.Entries {
		p, err := prepare(&in.Entries[i].OutgoingMessage)
		if err != nil {
			e, ok := errors.AsType[*sqserr.Error](err)
			if !ok {
				return nil, err
			}
			fails[i] = e
			continue
		}
		ps[i] = p
	}
	var out *SendMessageBatchOutput
	err = s.grow(ctx, name, total, func(q *queue) error {
		if err := q.admitBatch(ps); err != nil {
			return err
		}
		out = &SendMessageBatchOutput{Successful: make([]SentEntry, 0, len(ps))}
		for i, p := range ps {
			id := in.Entries[i].ID
			if p == nil {
				out.Failed = append(out.Failed, failEntry(id, fails[i]))
				continue
			}
			a, err := q.send(p)
			if e, ok := err.(*sqserr.Error); ok {
				out.Failed = append(out.Failed, failEntry(id, e))
				continue
			}
			if err != nil {
				return err
			}
			out.Successful = append(out.Successful, SentEntry{id, p.output(a)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// S3Events returns a function that sends the S3 events of buckets to standard
// queues, as the notification configurations of buckets do: queues has a queue for
// each bucket, and the events of other buckets are dropped. The function sends
// within a transaction of the store, as SendTx does.
func (s *Service) S3Events(queues map[string]string) func(tx *bbolt.Tx, bucket string, event []byte) error {
	return func(tx *bbolt.Tx, bucket string, event []byte) error {
		queue, ok := queues[bucket]
		if !ok {
			return nil
		}
		return s.SendTx(tx, queue, string(event))
	}
}

// SendTx adds a message to a standard queue within a transaction of the store:
// the message is sent if and only if the transaction is committed. It changes
// nothing if it returns an error, which is a [*sqserr.Error] if a rule of SQS
// refuses the message.
func (s *Service) SendTx(tx *bbolt.Tx, queue, body string) error {
	p, err := prepare(&OutgoingMessage{Body: &body})
	if err != nil {
		return err
	}
	q, err := s.open(tx, queue)
	if err != nil {
		return err
	}
	if _, err := q.send(p); err != nil {
		return err
	}
	return q.save()
}

// sent is a message that was sent.
type sent struct {
	id  [16]byte
	seq uint64 // 0 in a standard queue
}

// send checks the message against the queue before it changes anything, and adds
// it.
func (q *queue) send(p *prepared) (sent, error) {
	if err := q.admit(p); err != nil {
		return sent{}, err
	}
	m := p.msg
	var dedup dedupKeys
	if q.conf.FIFO {
		if !p.hasDedup {
			m.dedup = contentID(m.body)
		}
		dedup = q.dedupKeys(m.group, m.dedup)
		if before, ok := q.duplicate(dedup); ok {
			return before, nil
		}
	}
	delay := q.conf.Delay
	if p.delay != nil && !q.conf.FIFO {
		delay = *p.delay * 1000
	}
	k, err := q.add(&m, q.now, q.now+delay)
	if err != nil || !q.conf.FIFO {
		return sent{id: m.id}, err
	}
	out := sent{m.id, k.seq()}
	return out, q.remember(dedup, out)
}

// admit returns an error if the queue refuses the message.
func (q *queue) admit(p *prepared) error {
	if p.bytes > q.conf.MaxBytes {
		return errTooLong(q.conf.MaxBytes)
	}
	if !q.conf.FIFO {
		if p.hasDedup {
			return sqserr.InvalidValue(string(p.msg.dedup), "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
		}
		return nil
	}
	if !p.hasGroup {
		return sqserr.MissingParameter("MessageGroupId")
	}
	if !p.hasDedup && !q.conf.ContentDedup {
		return sqserr.InvalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	if p.delay != nil && *p.delay != 0 {
		return sqserr.InvalidValue(*p.delay, settings.DelaySeconds, "The request include parameter that is not valid for this queue type.")
	}
	return nil
}

// admitBatch returns the error that refuses a batch as a whole: a FIFO queue
// requires a group and a deduplication id of every message.
func (q *queue) admitBatch(ps []*prepared) error {
	if !q.conf.FIFO {
		return nil
	}
	for _, p := range ps {
		if p == nil {
			continue
		}
		if !p.hasDedup && !q.conf.ContentDedup {
			return q.admit(p)
		}
		if !p.hasGroup {
			return sqserr.InvalidParameter("The request must contain the parameter MessageGroupId.")
		}
	}
	return nil
}

// add stores and indexes a message.
func (q *queue) add(m *message, sent, availableAt int64) (key, error) {
	seq, err := q.b.NextSequence()
	if err != nil {
		return key{}, err
	}
	k := newKey(sent, seq)
	m.availableAt = availableAt
	if err := q.messages().Put(k[:], m.encode()); err != nil {
		return k, err
	}
	if err := q.place(k, availableAt, kindDelayed, m.group); err != nil {
		return k, err
	}
	return k, q.settle(m.group)
}

// sequenceNumber formats a sequence number as SQS does: with twenty digits, so
// that it also sorts as text.
func sequenceNumber(seq uint64) string { return strconv.FormatUint(1e19+seq, 10) }
