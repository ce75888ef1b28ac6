package queue

import (
	"bytes"
	"crypto/rand"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// Limits of one transaction of a move task.
const (
	moveBatch = 100 // messages
	moveBytes = 4 << 20
)

// runMove works on a task in the background until it is done, cancelled, or the
// service is closed.
func (s *Service) runMove(t moveTask) {
	if s.stop.Err() != nil {
		return
	}
	s.work.Go(func() {
		batch, pause := moveBatch, time.Duration(0)
		if t.Rate > 0 {
			batch, pause = min(t.Rate, moveBatch), time.Second*time.Duration(min(t.Rate, moveBatch))/time.Duration(t.Rate)
		}
		for {
			done, err := s.moveSome(t.id, batch)
			if done || errors.Is(err, store.ErrClosed) || s.stop.Err() != nil {
				return
			}
			wait := pause
			if err != nil {
				s.opt.Logger.Error("move messages", "queue", t.Source, "error", err)
				wait = max(wait, time.Second)
			}
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-s.stop.Done():
				timer.Stop()
				return
			}
		}
	})
}

// moveSome moves up to limit messages in one transaction.
func (s *Service) moveSome(id []byte, limit int) (done bool, err error) {
	err = s.db.Update(s.stop, func(tx *bbolt.Tx) error {
		done = true
		t, ok := readTask(tx, id)
		if !ok || t.Status != moveRunning {
			return store.Unchanged(nil)
		}
		m := move{s: s, tx: tx, task: &t, targets: map[string]*queue{}}
		more, err := m.run(limit)
		if err != nil {
			return err
		}
		if t.Status == moveRunning && !more {
			t.Status = moveCompleted
		}
		done = t.Status != moveRunning
		return t.write(tx)
	})
	return done, err
}

// move is a step of a move task within one transaction.
type move struct {
	s       *Service
	tx      *bbolt.Tx
	task    *moveTask
	targets map[string]*queue
	bytes   int // moved so far
}

// run moves up to limit ready messages, the oldest first. Messages in flight
// stay. A moved message is a new one: it has another id, and its retention period
// and receive count begin again.
func (m *move) run(limit int) (more bool, err error) {
	q, err := m.s.open(m.tx, m.task.Source)
	if err != nil {
		m.fail("AWS.SimpleQueueService.NonExistentQueue")
		return false, nil
	}
	if err := q.promote(); err != nil {
		return false, err
	}
	ks, more := q.oldestReady(limit)
	for i, k := range ks {
		if err := m.one(q, k); err != nil {
			return false, err
		}
		if m.task.Status != moveRunning {
			more = false
			break
		}
		if m.bytes >= moveBytes && i+1 < len(ks) {
			more = true
			break
		}
	}
	for _, t := range m.targets {
		if err := t.save(); err != nil {
			return false, err
		}
	}
	return more, q.save()
}

func (m *move) fail(reason string) { m.task.Status, m.task.Failure = moveFailed, reason }

func (m *move) one(q *queue, k key) error {
	msg, err := q.load(k)
	if err != nil {
		return err
	}
	name := m.task.Destination
	if name == "" {
		var ok bool
		if name, ok = m.s.nameFromARN(string(msg.source)); !ok {
			m.fail("CouldNotDetermineMessageSource")
			return nil
		}
	}
	t := m.targets[name]
	if t == nil {
		t, err = m.s.open(m.tx, name)
		if err != nil || t.conf.FIFO != q.conf.FIFO || name == q.name {
			m.fail("AWS.SimpleQueueService.NonExistentQueue")
			return nil
		}
		t.now = q.now
		m.targets[name] = t
	}
	at, err := q.availableAt(k)
	if err != nil {
		return err
	}
	group := bytes.Clone(msg.group)
	moved := msg
	moved.before, moved.source = 0, nil
	_, _ = rand.Read(moved.id[:])
	if _, err := t.add(&moved, t.now, t.now); err != nil {
		return err
	}
	if err := q.remove(k, at, group); err != nil {
		return err
	}
	m.task.Moved++
	m.bytes += len(moved.body) + len(moved.attrs)
	return q.settle(group)
}

// oldestReady returns up to limit messages that are ready, by age. more reports
// whether there are others.
func (q *queue) oldestReady(limit int) (ks []key, more bool) {
	w := q.waiting()
	c := q.messages().Cursor()
	for mk, v := c.First(); mk != nil; mk, v = c.Next() {
		k := key(mk)
		at := int64(0)
		if st, ok := q.state(k); ok {
			at = st.availableAt
		} else if m, err := decodeMessage(v); err == nil {
			at = m.availableAt
		}
		if w.Get(timeKey(at, k)) != nil {
			continue
		}
		if len(ks) == limit {
			return ks, true
		}
		ks = append(ks, k)
	}
	return ks, false
}
