package sqsserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// Status of a move task, as SQS names it.
const (
	moveRunning   = "RUNNING"
	moveCompleted = "COMPLETED"
	moveCancelled = "CANCELLED"
	moveFailed    = "FAILED"
)

const (
	moveBatch    = 100 // messages in a transaction
	moveBytes    = 4 << 20
	maxMoveRate  = 500
	maxMoveTasks = 10 // that are kept for each source queue
)

// moveTask moves messages out of a dead-letter queue. It is stored, and goes on after a restart.
type moveTask struct {
	Source      string `json:"source"`                // queue
	Destination string `json:"destination,omitempty"` // queue; "" is where each message came from
	Rate        int    `json:"rate,omitempty"`        // messages a second; 0 is as fast as it goes
	Status      string `json:"status"`
	Moved       int64  `json:"moved"`
	ToMove      int64  `json:"toMove"`  // at the start
	Started     int64  `json:"started"` // Unix milliseconds
	Failure     string `json:"failure,omitempty"`

	id []byte // its key: source, 0, started, random
}

func taskPrefix(source string) []byte { return append([]byte(source), 0) }

// readTasks gives the tasks of a source queue, the newest first.
func readTasks(tx *bbolt.Tx, source string) (out []moveTask, err error) {
	prefix := taskPrefix(source)
	c := tx.Bucket(tasksBucket).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		var t moveTask
		if err := json.Unmarshal(v, &t); err != nil {
			return nil, err
		}
		t.id = bytes.Clone(k)
		out = append([]moveTask{t}, out...)
	}
	return out, nil
}

func (t *moveTask) write(tx *bbolt.Tx) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Bucket(tasksBucket).Put(t.id, raw)
}

func readTask(tx *bbolt.Tx, id []byte) (moveTask, bool) {
	var t moveTask
	raw := tx.Bucket(tasksBucket).Get(id)
	if raw == nil || json.Unmarshal(raw, &t) != nil {
		return t, false
	}
	t.id = bytes.Clone(id)
	return t, true
}

func (t *moveTask) handle() string { return base64.URLEncoding.EncodeToString(t.id) }

// startMove stores a task and starts it.
func (s *Service) startMove(ctx context.Context, sourceARN, destinationARN string, rate *int64) (string, error) {
	t := moveTask{Status: moveRunning}
	if rate != nil {
		if *rate < 1 || *rate > maxMoveRate {
			return "", errValue(*rate, "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
		}
		t.Rate = int(*rate)
	}
	var ok bool
	if sourceARN == "" {
		return "", errMissing("SourceArn")
	}
	if t.Source, ok = s.nameFromARN(sourceARN); !ok {
		return "", errNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	if destinationARN != "" {
		if t.Destination, ok = s.nameFromARN(destinationARN); !ok {
			return "", errNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")
		}
	}
	var tail [8]byte
	_, _ = rand.Read(tail[:])
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error {
		q, err := s.open(tx, t.Source)
		if err != nil {
			return store.Unchanged(errNotFound("The resource that you specified for the SourceArn parameter doesn't exist."))
		}
		if err := s.checkMove(tx, q, &t); err != nil {
			return store.Unchanged(err)
		}
		old, err := readTasks(tx, t.Source)
		if err != nil {
			return err
		}
		for _, o := range old {
			if o.Status == moveRunning {
				return store.Unchanged(errInvalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time."))
			}
		}
		for len(old) >= maxMoveTasks {
			if err := tx.Bucket(tasksBucket).Delete(old[len(old)-1].id); err != nil {
				return err
			}
			old = old[:len(old)-1]
		}
		t.Started, t.ToMove = q.now, q.census().ready
		t.id = append(binary.BigEndian.AppendUint64(taskPrefix(t.Source), uint64(q.now)), tail[:]...)
		return t.write(tx)
	})
	if err != nil {
		return "", err
	}
	s.runMove(t)
	return t.handle(), nil
}

// checkMove tells whether the source is a dead-letter queue and the destination fits it.
func (s *Service) checkMove(tx *bbolt.Tx, q *queue, t *moveTask) error {
	if t.Destination != "" {
		d, err := s.open(tx, t.Destination)
		if err != nil {
			return errNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")
		}
		if t.Destination == t.Source {
			return errInvalidParameter("Source queue arn and destination queue arn cannot be the same.")
		}
		if d.conf.fifo != q.conf.fifo {
			return errInvalidParameter("Source queue and destination queue must be of the same type.")
		}
	}
	isTarget := false
	arn := s.ARN(t.Source)
	err := tx.Bucket(rootBucket).ForEachBucket(func(name []byte) error {
		other, err := s.open(tx, string(name))
		if err == nil && other.conf.redrive != nil && other.conf.redrive.Target == arn {
			isTarget = true
		}
		return err
	})
	if err == nil && !isTarget {
		return errInvalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	return err
}

// resumeTasks starts the tasks that were running when the process before ended.
func (s *Service) resumeTasks() error {
	var running []moveTask
	err := s.db.View(func(tx *bbolt.Tx) error {
		running = nil
		return tx.Bucket(tasksBucket).ForEach(func(k, v []byte) error {
			var t moveTask
			if err := json.Unmarshal(v, &t); err != nil {
				return err
			}
			if t.Status == moveRunning {
				t.id = bytes.Clone(k)
				running = append(running, t)
			}
			return nil
		})
	})
	for _, t := range running {
		s.runMove(t)
	}
	return err
}

// runMove works at a task in the background until it is done, cancelled, or the service is closed.
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
		m := moving{s: s, tx: tx, task: &t, targets: map[string]*queue{}}
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

// moving is a step of a move task within one transaction.
type moving struct {
	s       *Service
	tx      *bbolt.Tx
	task    *moveTask
	targets map[string]*queue
	bytes   int // moved
}

// run moves up to limit ready messages, the oldest first. What is in flight stays. A message becomes a new one: with another
// id, and its retention and receive count begin anew.
func (m *moving) run(limit int) (more bool, err error) {
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

func (m *moving) fail(reason string) { m.task.Status, m.task.Failure = moveFailed, reason }

func (m *moving) one(q *queue, k key) error {
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
		if err != nil || t.conf.fifo != q.conf.fifo || name == q.name {
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

// oldestReady finds up to limit messages that do not wait for a time; more tells whether there are others.
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

// cancelMove ends a running task and tells how many messages it has moved.
func (s *Service) cancelMove(ctx context.Context, taskHandle string) (moved int64, err error) {
	if taskHandle == "" {
		return 0, errMissing("TaskHandle")
	}
	id, err := base64.URLEncoding.DecodeString(taskHandle)
	if err != nil {
		return 0, errInvalidParameter("Value for parameter TaskHandle is invalid.")
	}
	err = s.db.Update(ctx, func(tx *bbolt.Tx) error {
		t, ok := readTask(tx, id)
		if !ok {
			return store.Unchanged(errNotFound("Task does not exist."))
		}
		if t.Status != moveRunning {
			return store.Unchanged(errUnsupported("Only running tasks can be cancelled, this one is %s.", t.Status))
		}
		t.Status, moved = moveCancelled, t.Moved
		return t.write(tx)
	})
	return moved, err
}
