package sqsserver

import (
	"bytes"
	"context"
	"errors"
	"time"

	"sluice/deploy/local/store"
)

const (
	// sweepEvery is how often what is over is looked for. Receives check by themselves, so it is not a matter of being right
	// but of not keeping what nobody asks for.
	sweepEvery = 30 * time.Second

	// sweepLimit bounds what one transaction removes, so that clients wait for no more than that.
	sweepLimit = 500
)

// sweep removes messages whose retention is over, and deduplication ids, until Close.
func (s *Service) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop.Done():
			return
		case <-tick.C:
		}
		if err := s.sweepOnce(s.stop); err != nil && s.stop.Err() == nil && !errors.Is(err, store.ErrClosed) {
			s.opt.Logger.Error("remove expired messages", "error", err)
		}
	}
}

// sweepOnce removes all that is over now.
func (s *Service) sweepOnce(ctx context.Context) error {
	names, _, err := s.list("", "", 1<<30, func(q *queue) bool {
		if k, _ := q.messages().Cursor().First(); k != nil && q.expired(key(k)) {
			return true
		}
		k, _ := q.b.Bucket(keyDedupEnd).Cursor().First()
		return k != nil && bytes.Compare(k[:8], timeKey(q.now, key{})[:8]) <= 0
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		for more := true; more; {
			err := s.reduce(ctx, name, func(q *queue) (err error) {
				more, err = q.clean()
				return err
			})
			if e, ok := errors.AsType[*Error](err); ok && e.Type == "QueueDoesNotExist" {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// clean removes a bounded number of messages and deduplication ids that are over, and tells whether there may be more.
func (q *queue) clean() (more bool, err error) {
	n, err := q.forget(sweepLimit)
	if err != nil {
		return false, err
	}
	q.changed = q.changed || n > 0
	more = n == sweepLimit
	for range sweepLimit {
		mk, v := q.messages().Cursor().First()
		if mk == nil || !q.expired(key(mk)) {
			return more, nil
		}
		if err := q.expire(key(mk), v); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (q *queue) expire(k key, raw []byte) error {
	m, err := decodeMessage(raw)
	if err != nil {
		return err
	}
	at := m.availableAt
	if st, ok := q.state(k); ok {
		at = st.availableAt
	}
	group := bytes.Clone(m.group)
	if err := q.remove(k, at, group); err != nil {
		return err
	}
	return q.settle(group)
}
