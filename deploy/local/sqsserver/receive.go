package sqsserver

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// maxInFlight is how many messages of a queue may be in flight. Beyond it a short poll is refused and a long one finds nothing.
const maxInFlight = 120_000

// delivered is a message as a receive hands it out.
type delivered struct {
	id      [16]byte
	handle  handle
	body    string
	md5     [16]byte
	attrs   []attribute
	sent    int64
	first   int64
	count   uint32
	seq     uint64 // 0 in a standard queue
	group   string
	dedup   string
	trace   string
	source  string
	account string
}

// receipt is a receive as asked for, checked.
type receipt struct {
	max        int
	visibility *int64 // milliseconds; nil is the queue's
	wait       *int64 // milliseconds; nil is the queue's
	needAttrs  bool
}

// errNothing ends a receive that found nothing and changed nothing.
var errNothing = errors.New("queues: nothing to receive")

// receive takes up to r.max messages, and waits for the first if it may. It returns nothing, without error, when the time is
// over, when ctx is done, and when the service is closed.
func (s *Service) receive(ctx context.Context, name string, r receipt) ([]delivered, error) {
	look, err := s.peek(name)
	if err != nil {
		return nil, err
	}
	wait := look.wait
	if r.wait != nil {
		wait = *r.wait
	}
	if wait == 0 {
		if look.full {
			return nil, newError("OverLimit", "OverLimit", "Too many messages in flight: the limit of the queue is %d.", s.maxInFlight)
		}
		if !look.ready {
			return nil, nil
		}
		got, more, err := s.take(ctx, name, r)
		for more && len(got) == 0 && err == nil && ctx.Err() == nil { // it only removed and moved
			got, more, err = s.take(ctx, name, r)
		}
		if more {
			s.lines.wake(name)
		}
		return got, err
	}
	w := s.lines.join(name)
	more := true
	defer func() { s.lines.leave(name, w, more) }()
	deadline := s.nowMillis() + wait
	for {
		more = true // unless a look says otherwise
		if look, err = s.peek(name); err != nil {
			return nil, err
		}
		more = look.ready
		if look.ready {
			var got []delivered
			if got, more, err = s.take(ctx, name, r); err != nil || len(got) > 0 {
				return got, err
			}
		}
		now := s.nowMillis()
		if now >= deadline {
			return nil, nil
		}
		until := deadline
		if look.next > now && look.next < until {
			until = look.next
		}
		if look.ready { // others were faster: look again at once
			until = now
		}
		if !w.wait(ctx, s.stop, time.Duration(until-now)*time.Millisecond) {
			return nil, nil
		}
	}
}

// glance is what a look at a queue shows without changing it.
type glance struct {
	ready bool  // a receive may find something
	full  bool  // too much is in flight for another receive
	next  int64 // when the next waiting message gets ready, 0 if none waits
	wait  int64 // the queue's own wait
}

// peek looks whether a receive is worth a writing transaction, so that idle polls cost no fsync.
func (s *Service) peek(name string) (g glance, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		g.wait = q.conf.wait
		if tk, _ := q.waiting().Cursor().First(); tk != nil {
			g.next, _ = splitTimeKey(tk)
			g.ready = g.next <= q.now
		}
		if q.n.inFlight >= s.maxInFlight && !g.ready {
			g.full = true
			return nil
		}
		g.ready = g.ready || q.firstReady() != nil
		return nil
	})
	return g, err
}

// take receives without waiting, in a bounded transaction: without messages and with more it has made room, and should be called
// again. more tells that something is left for another receive; it is true too where that is not known.
func (s *Service) take(ctx context.Context, name string, r receipt) (got []delivered, more bool, err error) {
	err = s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		got, more = nil, true
		q, err := s.open(tx, name)
		if err != nil {
			return store.Unchanged(err)
		}
		if err := q.promote(); err != nil {
			return err
		}
		v := q.conf.visibility
		if r.visibility != nil {
			v = *r.visibility
		}
		t := taking{queue: q, max: min(r.max, int(max(0, s.maxInFlight-q.n.inFlight))), until: q.now + v, needAttrs: r.needAttrs}
		if q.conf.fifo {
			err = t.groups()
		} else {
			err = t.standard()
		}
		if err != nil {
			return err
		}
		more = q.firstReady() != nil
		if !q.changed {
			return store.Unchanged(errNothing)
		}
		got = t.got
		return q.save()
	})
	if errors.Is(err, errNothing) { // what is left is not for anybody now: too much is in flight
		return nil, false, nil
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, true, nil
	}
	return got, more || err != nil, err
}

// firstReady is the first place where something can be received, nil if there is none.
func (q *queue) firstReady() []byte {
	b := q.ready()
	if q.conf.fifo {
		b = q.heads()
	}
	k, _ := b.Cursor().First()
	return k
}

// taking is one receive at work.
type taking struct {
	*queue
	max       int
	until     int64 // when the messages become visible again
	needAttrs bool
	got       []delivered
	dead      *queue // the dead-letter queue, once it is needed
}

// cleanLimit bounds the rounds of one transaction, for when messages are removed or moved instead of delivered.
const cleanLimit = 100

// standard takes from the front of the ready messages.
func (t *taking) standard() error {
	ready := t.ready()
	for range cleanLimit {
		need := t.max - len(t.got)
		if need <= 0 {
			break
		}
		// Collect first: a cursor does not survive changes.
		var ks [10][24]byte
		n := 0
		c := ready.Cursor()
		for tk, _ := c.First(); tk != nil && n < min(need, len(ks)); tk, _ = c.Next() {
			if _, k := splitTimeKey(tk); t.took(k) { // received with a visibility timeout of zero
				continue
			}
			copy(ks[n][:], tk)
			n++
		}
		for i := range n {
			at, k := splitTimeKey(ks[i][:])
			if err := t.one(k, at); err != nil {
				return err
			}
		}
		if n < need {
			break
		}
	}
	return t.saveDead()
}

// groups takes from the FIFO groups in the order in which they became receivable, as many of each as stand ready at its front.
func (t *taking) groups() error {
	heads := t.heads()
	var seen []string // a group stays in the list if it is received with a visibility timeout of zero
	for len(t.got) < t.max && len(seen) < cleanLimit {
		group := ""
		c := heads.Cursor()
		for hk, v := c.First(); hk != nil; hk, v = c.Next() {
			if !slices.Contains(seen, string(v)) {
				group = string(v)
				break
			}
		}
		if group == "" {
			break
		}
		seen = append(seen, group)
		for len(t.got) < t.max {
			more, err := t.front(group)
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
		if err := t.settle([]byte(group)); err != nil {
			return err
		}
	}
	return t.saveDead()
}

// front handles the first message of a group that this receive has not taken, if it is ready.
func (t *taking) front(group string) (more bool, err error) {
	c := t.queue.groups().Cursor()
	prefix := groupKey(group, 0)
	prefix = prefix[:len(prefix)-8]
	for k, v := c.Seek(prefix); len(k) == len(prefix)+8 && string(k[:len(prefix)]) == string(prefix); k, v = c.Next() {
		mk := newKey(int64(binary.BigEndian.Uint64(v[1:])), binary.BigEndian.Uint64(k[len(prefix):]))
		if v[0] != kindReady {
			if t.took(mk) {
				continue
			}
			return false, nil
		}
		if t.took(mk) { // received with a visibility timeout of zero
			continue
		}
		at, err := t.availableAt(mk)
		if err != nil {
			return false, err
		}
		return true, t.one(mk, at)
	}
	return false, nil
}

func (t *taking) took(k key) bool {
	for i := range t.got {
		if t.got[i].handle.key == k {
			return true
		}
	}
	return false
}

// availableAt is the time in the message's place in the trees.
func (q *queue) availableAt(k key) (int64, error) {
	if st, ok := q.state(k); ok {
		return st.availableAt, nil
	}
	m, err := q.load(k)
	return m.availableAt, err
}

// one delivers a ready message, or, if it is expired or was received too often, removes or moves it.
func (t *taking) one(k key, at int64) error {
	m, err := t.load(k)
	if err != nil {
		return err
	}
	if t.expired(k) {
		return t.remove(k, at, m.group)
	}
	st, _ := t.state(k)
	if p := t.conf.redrive; p != nil && int(st.receives) >= p.MaxReceives {
		moved, err := t.bury(k, at, &m, st)
		if moved || err != nil {
			return err
		}
	}
	if err := t.lift(k, at); err != nil {
		return err
	}
	if st.receives == 0 {
		st.first = t.now
	}
	st.receives++
	st.last, st.availableAt, st.nonce = t.now, t.until, rand.Uint64()
	if err := t.place(k, t.until, kindInFlight, m.group); err != nil {
		return err
	}
	if err := t.states().Put(k[:], st.encode()); err != nil {
		return err
	}
	d := delivered{
		id: m.id, md5: m.md5, body: string(m.body),
		handle: handle{t.conf.ID, k, st.nonce},
		sent:   k.sent(), first: st.first, count: m.before + st.receives,
		group: string(m.group), dedup: string(m.dedup), trace: string(m.trace), source: string(m.source),
		account: t.s.opt.Account,
	}
	if t.conf.fifo {
		d.seq = k.seq()
	}
	if t.needAttrs {
		if d.attrs, err = decodeAttributes(m.attrs); err != nil {
			return err
		}
	}
	t.got = append(t.got, d)
	return nil
}

// bury moves a message to the dead-letter queue. It keeps its id, and in a standard queue its age; the receives so far go on
// counting in what the message shows. If there is no such queue any more, the message stays.
func (t *taking) bury(k key, at int64, m *message, st state) (bool, error) {
	if t.dead == nil {
		name, ok := t.s.nameFromARN(t.conf.redrive.Target)
		if !ok || name == t.name {
			return false, nil
		}
		dead, err := t.s.open(t.tx, name)
		if err != nil || dead.conf.fifo != t.conf.fifo {
			return false, nil
		}
		dead.now = t.now
		t.dead = dead
	}
	moved := *m
	moved.before += st.receives
	moved.source = []byte(t.s.ARN(t.name))
	sent := k.sent()
	if t.conf.fifo {
		sent = t.now
	}
	if _, err := t.dead.add(&moved, sent, t.now); err != nil {
		return false, err
	}
	return true, t.remove(k, at, m.group)
}

func (t *taking) saveDead() error {
	if t.dead == nil {
		return nil
	}
	return t.dead.save()
}

// uuid is the text form of an id.
func uuid(id [16]byte) string {
	b := make([]byte, 36)
	hex.Encode(b, id[:4])
	b[8] = '-'
	hex.Encode(b[9:], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:], id[10:])
	return string(b)
}
