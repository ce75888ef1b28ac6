package sqsserver

import (
	"context"
)

// releaseBatch bounds the messages that one transaction of Release touches.
const releaseBatch = 1000

// Release makes every message of the queue that is in flight visible at once,
// and returns how many there were, but for those whose visibility was changed
// since their receive: somebody decided when they come back. The receipt handles
// of the others stay good until the next receive. It is for an owner who knows that nobody holds them any more:
// the process that received them is gone. AWS has no such thing, there they wait
// for their visibility to end.
func (s *Service) Release(ctx context.Context, name string) (int, error) {
	total := 0
	for {
		n := 0
		err := s.reduce(ctx, name, func(q *queue) error {
			n = 0
			held := q.inFlight(releaseBatch)
			for _, k := range held {
				if err := q.release(k); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		total += n
		if err != nil || n < releaseBatch {
			return total, err
		}
	}
}

// inFlight returns up to limit messages whose visibility has not ended, and was not changed.
func (q *queue) inFlight(limit int) []key {
	var held []key
	c := q.b.Bucket(keyWaiting).Cursor()
	for raw, kind := c.First(); raw != nil && len(held) < limit; raw, kind = c.Next() {
		if at, k := splitTimeKey(raw); len(kind) == 1 && kind[0] == kindInFlight && at > q.now {
			held = append(held, k)
		}
	}
	return held
}

func (q *queue) release(k key) error {
	st, ok := q.state(k)
	if !ok {
		return errDamaged
	}
	var group []byte
	if q.conf.fifo {
		m, err := q.load(k)
		if err != nil {
			return err
		}
		group = append(group, m.group...)
	}
	if err := q.lift(k, st.availableAt); err != nil {
		return err
	}
	st.availableAt = q.now
	if err := q.place(k, q.now, kindInFlight, group); err != nil {
		return err
	}
	if err := q.states().Put(k[:], st.encode()); err != nil {
		return err
	}
	return q.settle(group)
}
