package queue

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"sluice/deploy/local/sqsserver/attribute"
)

// delivered is a message that a receive returns.
type delivered struct {
	id      [16]byte
	handle  handle
	body    string
	md5     [16]byte
	attrs   []attribute.Attribute // nil if none were asked for
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

// delivery is a receive within one transaction.
type delivery struct {
	*queue
	max       int
	until     int64 // when the messages become visible again
	needAttrs bool
	got       []delivered
	dead      *queue // the dead-letter queue, opened when the first message moves there
}

// deliver receives up to r.max messages.
func (q *queue) deliver(r receiveOptions) ([]delivered, error) {
	if err := q.promote(); err != nil {
		return nil, err
	}
	v := q.conf.Visibility
	if r.visibility != nil {
		v = *r.visibility
	}
	d := delivery{queue: q, max: min(r.max, int(max(0, q.s.maxInFlight-q.n.inFlight))), until: q.now + v, needAttrs: r.needAttrs}
	var err error
	if q.conf.FIFO {
		err = d.fromGroups()
	} else {
		err = d.fromReady()
	}
	if err == nil && d.dead != nil {
		err = d.dead.save()
	}
	return d.got, err
}

// cleanLimit bounds the rounds of one transaction in which messages are removed
// or moved instead of delivered.
const cleanLimit = 100

// fromReady delivers the messages of a standard queue that became ready first.
func (d *delivery) fromReady() error {
	ready := d.ready()
	for range cleanLimit {
		need := d.max - len(d.got)
		if need <= 0 {
			break
		}
		// Collect before changing: a cursor is invalid after a change.
		var keys [10][24]byte
		n := 0
		c := ready.Cursor()
		for tk, _ := c.First(); tk != nil && n < min(need, len(keys)); tk, _ = c.Next() {
			if _, k := splitTimeKey(tk); d.has(k) { // received with a visibility timeout of zero
				continue
			}
			copy(keys[n][:], tk)
			n++
		}
		for i := range n {
			at, k := splitTimeKey(keys[i][:])
			if err := d.one(k, at); err != nil {
				return err
			}
		}
		if n < need {
			break
		}
	}
	return nil
}

// fromGroups delivers from the groups of a FIFO queue in the order in which they
// became receivable, from each the messages at its front that are ready.
func (d *delivery) fromGroups() error {
	heads := d.heads()
	var seen []string // a group stays listed if it is received with a visibility timeout of zero
	for len(d.got) < d.max && len(seen) < cleanLimit {
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
		for len(d.got) < d.max {
			more, err := d.front(group)
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
		if err := d.settle([]byte(group)); err != nil {
			return err
		}
	}
	return nil
}

// front handles the first message of a group that this receive has not handled,
// if it is ready.
func (d *delivery) front(group string) (more bool, err error) {
	c := d.groups().Cursor()
	prefix := groupKey(group, 0)
	prefix = prefix[:len(prefix)-8]
	for k, v := c.Seek(prefix); len(k) == len(prefix)+8 && string(k[:len(prefix)]) == string(prefix); k, v = c.Next() {
		mk := newKey(int64(binary.BigEndian.Uint64(v[1:])), binary.BigEndian.Uint64(k[len(prefix):]))
		if d.has(mk) { // in flight now, or ready after a visibility timeout of zero
			continue
		}
		if v[0] != kindReady {
			return false, nil
		}
		at, err := d.availableAt(mk)
		if err != nil {
			return false, err
		}
		return true, d.one(mk, at)
	}
	return false, nil
}

// has reports whether this receive has delivered the message.
func (d *delivery) has(k key) bool {
	for i := range d.got {
		if d.got[i].handle.key == k {
			return true
		}
	}
	return false
}

// one delivers a ready message. It removes the message instead if it is expired,
// and moves it to the dead-letter queue if it was received too often.
func (d *delivery) one(k key, at int64) error {
	m, err := d.load(k)
	if err != nil {
		return err
	}
	if d.expired(k) {
		return d.remove(k, at, m.group)
	}
	st, _ := d.state(k)
	if p := d.conf.Redrive; p != nil && int(st.receives) >= p.MaxReceives {
		moved, err := d.moveToDLQ(k, at, &m, st)
		if moved || err != nil {
			return err
		}
	}
	if err := d.unindex(k, at); err != nil {
		return err
	}
	if st.receives == 0 {
		st.first = d.now
	}
	st.receives++
	st.last, st.availableAt, st.nonce = d.now, d.until, rand.Uint64()
	if err := d.place(k, d.until, kindInFlight, m.group); err != nil {
		return err
	}
	if err := d.states().Put(k[:], st.encode()); err != nil {
		return err
	}
	out := delivered{
		id: m.id, md5: m.md5, body: string(m.body),
		handle: handle{d.conf.ID, k, st.nonce},
		sent:   k.sent(), first: st.first, count: m.before + st.receives,
		group: string(m.group), dedup: string(m.dedup), trace: string(m.trace), source: string(m.source),
		account: d.s.opt.Account,
	}
	if d.conf.FIFO {
		out.seq = k.seq()
	}
	if d.needAttrs {
		if out.attrs, err = decodeAttributes(m.attrs); err != nil {
			return err
		}
	}
	d.got = append(d.got, out)
	return nil
}

// moveToDLQ moves a message to the dead-letter queue. The message keeps its id,
// and in a standard queue its age; its receive count goes on from that of the
// source. If the dead-letter queue does not exist, the message stays.
func (d *delivery) moveToDLQ(k key, at int64, m *message, st state) (moved bool, err error) {
	if d.dead == nil {
		name, ok := d.s.nameFromARN(d.conf.Redrive.Target)
		if !ok || name == d.name {
			return false, nil
		}
		dead, err := d.s.open(d.tx, name)
		if err != nil || dead.conf.FIFO != d.conf.FIFO {
			return false, nil
		}
		dead.now = d.now
		d.dead = dead
	}
	out := *m
	out.before += st.receives
	out.source = []byte(d.s.ARN(d.name))
	sent := k.sent()
	if d.conf.FIFO {
		sent = d.now
	}
	if _, err := d.dead.add(&out, sent, d.now); err != nil {
		return false, err
	}
	return true, d.remove(k, at, m.group)
}
