package queue

import (
	"bytes"
	"encoding/binary"

	"sluice/deploy/local/sqsserver/settings"
)

// place indexes a message by its time: as ready, or as waiting for the reason
// kind. In a FIFO queue the caller settles the group afterwards.
func (q *queue) place(k key, at int64, kind byte, group []byte) error {
	q.changed = true
	if at <= q.now {
		kind = kindReady
	}
	if at <= q.now+settings.MaxWait*1000 { // no receive waits longer
		q.wake = true
	}
	switch kind {
	case kindReady:
		q.n.ready++
		if !q.conf.FIFO {
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
	if q.conf.FIFO {
		return q.mark(k, kind, group)
	}
	return nil
}

// mark stores the kind of a message in its FIFO group.
func (q *queue) mark(k key, kind byte, group []byte) error {
	v := binary.BigEndian.AppendUint64([]byte{kind}, uint64(k.sent()))
	return q.groups().Put(groupKey(string(group), k.seq()), v)
}

// unindex removes the index entry that place has made.
func (q *queue) unindex(k key, at int64) error {
	q.changed = true
	tk := timeKey(at, k)
	w := q.waiting()
	switch v := w.Get(tk); {
	case len(v) == 0:
		q.n.ready--
		if q.conf.FIFO {
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

// replace moves a message that was received to another time and stores its
// state.
func (q *queue) replace(k key, st state, at int64, kind byte) error {
	group, err := q.loadGroup(k)
	if err != nil {
		return err
	}
	if err := q.unindex(k, st.availableAt); err != nil {
		return err
	}
	st.availableAt = at
	if err := q.place(k, at, kind, group); err != nil {
		return err
	}
	if err := q.states().Put(k[:], st.encode()); err != nil {
		return err
	}
	return q.settle(group)
}

// remove deletes a message. In a FIFO queue the caller settles the group
// afterwards.
func (q *queue) remove(k key, at int64, group []byte) error {
	if err := q.unindex(k, at); err != nil {
		return err
	}
	if q.n.inFlight+1 >= q.s.maxInFlight { // receives were refused until now
		q.wake = true
	}
	if q.conf.FIFO {
		if err := q.groups().Delete(groupKey(string(group), k.seq())); err != nil {
			return err
		}
	}
	if err := q.states().Delete(k[:]); err != nil {
		return err
	}
	return q.messages().Delete(k[:])
}

// promoteLimit bounds the messages that one call of promote moves.
const promoteLimit = 1000

// promote makes the messages ready whose delay or visibility timeout is over.
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
		if q.conf.FIFO {
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

// settle updates the list of receivable groups after a change in a group of a
// FIFO queue. The list has a group, once and by its head, if the head is ready:
// a message in flight blocks those behind it, and not those before it. In a
// standard queue settle does nothing.
func (q *queue) settle(group []byte) error {
	if !q.conf.FIFO {
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

// head returns the first message of a group.
func (q *queue) head(group []byte) (seq uint64, kind byte, ok bool) {
	prefix := append(bytes.Clone(group), 0)
	k, v := q.groups().Cursor().Seek(prefix)
	if k == nil || len(k) != len(prefix)+8 || !bytes.HasPrefix(k, prefix) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(k[len(prefix):]), v[0], true
}

// firstReady returns the index entry of the first message that can be received,
// nil if there is none.
func (q *queue) firstReady() []byte {
	b := q.ready()
	if q.conf.FIFO {
		b = q.heads()
	}
	k, _ := b.Cursor().First()
	return k
}
