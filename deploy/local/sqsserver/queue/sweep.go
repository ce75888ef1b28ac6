package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/store"
)

const (
	// sweepInterval is how often expired messages and deduplication ids are
	// removed. Receives skip expired messages by themselves; the sweeper frees the
	// space of those that nobody receives.
	sweepInterval = 30 * time.Second

	// sweepLimit bounds the messages that one transaction removes, so that clients
	// do not wait long for it.
	sweepLimit = 500
)

// sweep removes expired messages and deduplication ids until Close.
func (s *Service) sweep() {
	tick := time.NewTicker(sweepInterval)
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

// sweepOnce removes everything that is expired now.
func (s *Service) sweepOnce(ctx context.Context) error {
	names, _, err := s.list("", "", 1<<30, (*queue).needsSweep)
	if err != nil {
		return err
	}
	for _, name := range names {
		for more := true; more; {
			err := s.reduce(ctx, name, func(q *queue) (err error) {
				more, err = q.clean()
				return err
			})
			if sqserr.IsQueueDoesNotExist(err) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (q *queue) needsSweep() bool {
	if k, _ := q.messages().Cursor().First(); k != nil && q.expired(key(k)) {
		return true
	}
	k, _ := q.b.Bucket(keyDedupEnd).Cursor().First()
	return k != nil && int64(binary.BigEndian.Uint64(k)) <= q.now
}

// clean removes a bounded number of expired messages and deduplication ids. more
// reports whether there may be others.
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
