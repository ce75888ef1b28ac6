package sqsserver

import (
	"time"

	"go.etcd.io/bbolt"
)

// Stats is a queue at one moment.
type Stats struct {
	Queue       string
	Ready       int64         // messages that can be received
	InFlight    int64         // received and neither deleted nor visible again
	Delayed     int64         // sent and not yet visible
	OldestAge   time.Duration // of the message that was sent first, wherever it stands; 0 without messages
	DeadLetters string        // name of the dead-letter queue, "" has none
	MaxReceives int           // before a message goes there, 0 without one
}

// Stats shows all queues by name.
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

// QueueStats shows one queue. The error is an [*Error] of type QueueDoesNotExist if there is none.
func (s *Service) QueueStats(name string) (Stats, error) {
	var out Stats
	err := s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
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
	if p := q.conf.redrive; p != nil {
		st.DeadLetters, _ = q.s.nameFromARN(p.Target)
		st.MaxReceives = p.MaxReceives
	}
	return st
}

// census counts messages by where they stand now: one that waits for a time already past is ready.
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
