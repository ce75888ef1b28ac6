package sqsserver

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
)

// queue is one queue within one transaction. Its methods that change something are called in writing transactions only. An
// error of the store is returned as it is; then the transaction cannot be used any more, and the store undoes it.
type queue struct {
	s    *Service
	tx   *bbolt.Tx
	name string
	b    *bbolt.Bucket
	conf *config
	now  int64 // Unix milliseconds; one reading for all that a call does
	open handles

	n       counts
	changed bool // n must be written
	wake    bool // somebody who waits may find something, or must come back earlier than it thinks
}

// open finds a queue; the error is QueueDoesNotExist if there is none.
func (s *Service) open(tx *bbolt.Tx, name string) (*queue, error) {
	root := tx.Bucket(rootBucket)
	if root == nil {
		return nil, errNoQueue()
	}
	b := root.Bucket([]byte(name))
	if b == nil {
		return nil, errNoQueue()
	}
	conf, err := s.confs.get(name, b.Get(keyConfig))
	if err != nil {
		return nil, err
	}
	return &queue{s: s, tx: tx, name: name, b: b, conf: conf, now: s.nowMillis(), n: decodeCounts(b.Get(keyCounts))}, nil
}

// save writes what the methods below only noted, and arranges for wake-ups after the commit.
func (q *queue) save() error {
	if q.changed {
		if err := q.b.Put(keyCounts, q.n.encode()); err != nil {
			return err
		}
	}
	if q.wake {
		lines, name := &q.s.lines, q.name
		q.tx.OnCommit(func() { lines.wake(name) })
	}
	return nil
}

// handles are a queue's buckets as far as they were asked for. bbolt looks a bucket up by its name each time.
type handles struct{ messages, states, ready, waiting, groups, heads, listed *bbolt.Bucket }

func (q *queue) bucket(kept **bbolt.Bucket, name []byte) *bbolt.Bucket {
	if *kept == nil {
		*kept = q.b.Bucket(name)
	}
	return *kept
}

func (q *queue) messages() *bbolt.Bucket { return q.bucket(&q.open.messages, keyMessages) }
func (q *queue) states() *bbolt.Bucket   { return q.bucket(&q.open.states, keyStates) }
func (q *queue) ready() *bbolt.Bucket    { return q.bucket(&q.open.ready, keyReady) }
func (q *queue) waiting() *bbolt.Bucket  { return q.bucket(&q.open.waiting, keyWaiting) }
func (q *queue) groups() *bbolt.Bucket   { return q.bucket(&q.open.groups, keyGroups) }
func (q *queue) heads() *bbolt.Bucket    { return q.bucket(&q.open.heads, keyHeads) }
func (q *queue) listed() *bbolt.Bucket   { return q.bucket(&q.open.listed, keyListed) }

// place puts a message where its time says: into the ready ones, or to wait as kind. The caller settles a FIFO group.
func (q *queue) place(k key, at int64, kind byte, group []byte) error {
	q.changed = true
	if at <= q.now {
		kind = kindReady
	}
	if at <= q.now+maxWait*1000 { // no receive waits for longer
		q.wake = true
	}
	switch kind {
	case kindReady:
		q.n.ready++
		if !q.conf.fifo {
			return q.ready().Put(timeKey(at, k), nil)
		}
		return q.mark(k, kind, group)
	case kindDelayed:
		q.n.delayed++
	case kindInFlight, kindPutOff:
		q.n.inFlight++
	}
	if err := q.waiting().Put(timeKey(at, k), []byte{kind}); err != nil {
		return err
	}
	if q.conf.fifo {
		return q.mark(k, kind, group)
	}
	return nil
}

// mark notes in a FIFO group where the message stands.
func (q *queue) mark(k key, kind byte, group []byte) error {
	v := binary.BigEndian.AppendUint64([]byte{kind}, uint64(k.sent()))
	return q.groups().Put(groupKey(string(group), k.seq()), v)
}

// lift takes a message out of where place put it.
func (q *queue) lift(k key, at int64) error {
	q.changed = true
	tk := timeKey(at, k)
	w := q.waiting()
	switch v := w.Get(tk); {
	case len(v) == 0:
		q.n.ready--
		if q.conf.fifo {
			return nil
		}
		return q.ready().Delete(tk)
	case v[0] == kindDelayed:
		q.n.delayed--
	default:
		q.n.inFlight--
	}
	return w.Delete(tk)
}

// remove takes a message out of the queue for good. The caller settles a FIFO group.
func (q *queue) remove(k key, at int64, group []byte) error {
	if err := q.lift(k, at); err != nil {
		return err
	}
	if q.n.inFlight+1 >= q.s.maxInFlight { // too much was in flight for any receive
		q.wake = true
	}
	if q.conf.fifo {
		if err := q.groups().Delete(groupKey(string(group), k.seq())); err != nil {
			return err
		}
	}
	if err := q.states().Delete(k[:]); err != nil {
		return err
	}
	return q.messages().Delete(k[:])
}

// promoteLimit bounds the work that one call does for messages whose time has come.
const promoteLimit = 1000

// promote moves the messages whose time has come to the ready ones: delays that are over, and visibility timeouts.
func (q *queue) promote() error {
	w := q.waiting()
	for range promoteLimit {
		tk, v := w.Cursor().First()
		if tk == nil {
			return nil
		}
		at, k := splitTimeKey(tk)
		if at > q.now {
			return nil
		}
		kind := v[0]
		if err := w.Delete(tk); err != nil {
			return err
		}
		if kind == kindDelayed {
			q.n.delayed--
		} else {
			q.n.inFlight--
		}
		var group []byte
		if q.conf.fifo {
			m, err := q.load(k)
			if err != nil {
				return err
			}
			group = m.group
		}
		if err := q.place(k, at, kindReady, group); err != nil {
			return err
		}
		if err := q.settle(group); err != nil {
			return err
		}
	}
	return nil
}

// load reads a message that an index names.
func (q *queue) load(k key) (message, error) {
	v := q.messages().Get(k[:])
	if v == nil {
		return message{}, errDamaged
	}
	return decodeMessage(v)
}

// state reads the receive state of a message; ok is false if it was never received.
func (q *queue) state(k key) (state, bool) { return decodeState(q.states().Get(k[:])) }

// expired tells whether the retention period of a message is over.
func (q *queue) expired(k key) bool { return k.sent()+q.conf.retention <= q.now }

// settle makes the list of receivable groups true again after something in the group changed: a group stands in it, once, by
// its head, if the head is ready. So one message in flight holds back those behind it, and not those before it. It does nothing
// in a standard queue.
func (q *queue) settle(group []byte) error {
	if !q.conf.fifo {
		return nil
	}
	listed := q.listed()
	seq, kind, any := q.head(group)
	want := any && kind == kindReady
	old := bytes.Clone(listed.Get(group))
	if old != nil && (!want || binary.BigEndian.Uint64(old[8:]) != seq) {
		if err := q.heads().Delete(old); err != nil {
			return err
		}
		if err := listed.Delete(group); err != nil {
			return err
		}
		old = nil
	}
	if !want || old != nil {
		return nil
	}
	q.wake = true
	hk := headKey(q.now, seq)
	if err := q.heads().Put(hk, bytes.Clone(group)); err != nil {
		return err
	}
	return listed.Put(group, hk)
}

// head is the first message of a group.
func (q *queue) head(group []byte) (seq uint64, kind byte, ok bool) {
	prefix := append(bytes.Clone(group), 0)
	k, v := q.groups().Cursor().Seek(prefix)
	if k == nil || len(k) != len(prefix)+8 || !bytes.HasPrefix(k, prefix) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(k[len(prefix):]), v[0], true
}
