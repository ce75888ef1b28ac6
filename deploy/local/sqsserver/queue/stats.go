package queue

import (
	"time"

	"go.etcd.io/bbolt"
)

// Stats describes a queue at one moment.
type Stats struct {
	Queue       string
	Ready       int64         // messages that can be received
	InFlight    int64         // received, and neither deleted nor visible again
	Delayed     int64         // sent and not yet visible
	OldestAge   time.Duration // since the oldest message was sent; 0 without messages
	DeadLetters string        // name of the dead-letter queue, "" without one
	MaxReceives int           // receives before a message moves there, 0 without one
}

// Stats returns the stats of all queues, sorted by name.
func (s *Service) Stats() ([]Stats, error) {
	var out []Stats
	err := s.db.View(func(tx *bbolt.Tx) error {
		out = out[:0]
		return tx.Bucket(rootBucket).ForEachBucket(func(name []byte) error {
			q, err := s.open(tx, string(name))
			if err != nil {
				return err
			}
			out = append(out, q.stats())
			return nil
		})
	})
	return out, err
}

// QueueStats returns the stats of one queue. The error is QueueDoesNotExist if
// there is none.
func (s *Service) QueueStats(name string) (Stats, error) {
	var out Stats
	err := s.view(name, func(q *queue) error {
		out = q.stats()
		return nil
	})
	return out, err
}

func (q *queue) stats() Stats {
	n := q.census()
	st := Stats{Queue: q.name, Ready: n.ready, InFlight: n.inFlight, Delayed: n.delayed}
	if k, _ := q.messages().Cursor().First(); k != nil {
		st.OldestAge = time.Duration(q.now-key(k).sent()) * time.Millisecond
	}
	if p := q.conf.Redrive; p != nil {
		st.DeadLetters, _ = q.s.nameFromARN(p.Target)
		st.MaxReceives = p.MaxReceives
	}
	return st
}

// census returns the counts as of now: messages that wait for a time that has
// passed are ready.
func (q *queue) census() counts {
	n := q.n
	c := q.waiting().Cursor()
	for tk, v := c.First(); tk != nil; tk, v = c.Next() {
		if at, _ := splitTimeKey(tk); at > q.now {
			break
		}
		n.ready++
		if v[0] == kindDelayed {
			n.delayed--
		} else {
			n.inFlight--
		}
	}
	return n
}
