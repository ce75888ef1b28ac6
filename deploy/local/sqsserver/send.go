package sqsserver

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// outgoing is one message as a client sends it: the part that SendMessage and an entry of SendMessageBatch share.
type outgoing struct {
	Body       *string                   `json:"MessageBody"`
	Delay      *int64                    `json:"DelaySeconds"`
	Attributes map[string]attributeValue `json:"MessageAttributes"`
	System     map[string]attributeValue `json:"MessageSystemAttributes"`
	DedupID    *string                   `json:"MessageDeduplicationId"`
	GroupID    *string                   `json:"MessageGroupId"`
}

// prepared is an outgoing message with all done that needs no queue, so that the writer does little.
type prepared struct {
	msg       message
	delay     *int64 // seconds
	bytes     int
	md5Attrs  string // hex, "" without attributes
	md5System string
	hasGroup  bool
	hasDedup  bool
}

// sent is the answer to a send.
type sent struct {
	id  [16]byte
	seq uint64 // 0 in a standard queue
}

// prepare checks what can be checked without the queue.
func prepare(o *outgoing) (*prepared, error) {
	p := &prepared{delay: o.Delay}
	if o.Body == nil || *o.Body == "" {
		return nil, errMissing("MessageBody")
	}
	if !validText(*o.Body) {
		return nil, errContents("the message body")
	}
	if d := o.Delay; d != nil && (*d < 0 || *d > maxDelay) {
		return nil, errValue(*d, attrDelay, "DelaySeconds must be >= 0 and <= 900.")
	}
	for _, f := range []struct {
		name string
		in   *string
		to   *[]byte
		has  *bool
	}{
		{"MessageGroupId", o.GroupID, &p.msg.group, &p.hasGroup},
		{"MessageDeduplicationId", o.DedupID, &p.msg.dedup, &p.hasDedup},
	} {
		if f.in == nil {
			continue
		}
		if !validID(*f.in) {
			return nil, errValue(*f.in, f.name, f.name+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
		}
		*f.to, *f.has = []byte(*f.in), true
	}
	attrs, err := checkAttributes(o.Attributes)
	if err != nil {
		return nil, err
	}
	system, trace, err := checkSystemAttributes(o.System)
	if err != nil {
		return nil, err
	}
	p.msg.body = []byte(*o.Body)
	p.msg.md5 = md5.Sum(p.msg.body)
	p.msg.attrs = encodeAttributes(attrs)
	p.msg.trace = []byte(trace)
	p.md5Attrs, p.md5System = attributesMD5(attrs), attributesMD5(system)
	p.bytes = len(p.msg.body) + attributesSize(attrs)
	if p.bytes > maxMessageBytes {
		return nil, errTooLong(maxMessageBytes)
	}
	_, _ = rand.Read(p.msg.id[:]) // never fails
	p.msg.id[6] = p.msg.id[6]&0x0f | 0x40
	p.msg.id[8] = p.msg.id[8]&0x3f | 0x80
	return p, nil
}

func errTooLong(limit int) *Error {
	return errInvalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
}

// contentID is the deduplication id of a body, as SQS makes it.
func contentID(body []byte) []byte {
	sum := sha256.Sum256(body)
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 64)
	for _, b := range sum {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return out
}

// send checks what needs the queue, before it changes anything, and puts the message in.
func (q *queue) send(p *prepared) (sent, error) {
	if err := q.admit(p); err != nil {
		return sent{}, err
	}
	m := p.msg
	var dedup dedupKeys
	if q.conf.fifo {
		if !p.hasDedup {
			m.dedup = contentID(m.body)
		}
		dedup = q.dedupKeys(m.group, m.dedup)
		if before, ok := q.duplicate(dedup); ok {
			return before, nil
		}
	}
	delay := q.conf.delay
	if p.delay != nil && !q.conf.fifo {
		delay = *p.delay * 1000
	}
	k, err := q.add(&m, q.now, q.now+delay)
	if err != nil || !q.conf.fifo {
		return sent{id: m.id}, err
	}
	out := sent{m.id, k.seq()}
	return out, q.remember(dedup, out)
}

// admit tells whether the queue takes the message.
func (q *queue) admit(p *prepared) error {
	if p.bytes > q.conf.maxBytes {
		return errTooLong(q.conf.maxBytes)
	}
	if !q.conf.fifo {
		if p.hasDedup {
			return errValue(string(p.msg.dedup), "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
		}
		return nil
	}
	if !p.hasGroup {
		return errMissing("MessageGroupId")
	}
	if !p.hasDedup && !q.conf.contentDedup {
		return errInvalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	if p.delay != nil && *p.delay != 0 {
		return errValue(*p.delay, attrDelay, "The request include parameter that is not valid for this queue type.")
	}
	return nil
}

// add puts a message into the queue, sent and available at the given times.
func (q *queue) add(m *message, sent, availableAt int64) (key, error) {
	seq, err := q.b.NextSequence()
	if err != nil {
		return key{}, err
	}
	k := newKey(sent, seq)
	m.availableAt = availableAt
	if err := q.messages().Put(k[:], m.encode()); err != nil {
		return k, err
	}
	if err := q.place(k, availableAt, kindDelayed, m.group); err != nil {
		return k, err
	}
	return k, q.settle(m.group)
}

// sequenceNumber is the form SQS gives it: twenty digits, so that it also orders as text.
func sequenceNumber(seq uint64) string { return strconv.FormatUint(1e19+seq, 10) }

// dedupInterval is how long a FIFO queue remembers a deduplication id, in milliseconds.
const dedupInterval = 5 * 60 * 1000

// dedupKeys are the places a deduplication id is looked for. The id is hashed, so that its length does not matter.
type dedupKeys struct {
	queue, group [32]byte
	byGroup      bool // the queue's scope: where the id is remembered
}

func (q *queue) dedupKeys(group, id []byte) dedupKeys {
	wide := append([]byte("q\x00"), id...)
	narrow := append([]byte("g\x00"), group...)
	narrow = append(append(narrow, 0), id...)
	return dedupKeys{sha256.Sum256(wide), sha256.Sum256(narrow), q.conf.groupScope}
}

// duplicate finds the message that was sent with the same id within the interval. An id that was remembered for the whole queue
// counts for each group too, so that changing the scope lets nothing through twice.
func (q *queue) duplicate(d dedupKeys) (sent, bool) {
	keys := [][32]byte{d.queue}
	if d.byGroup {
		keys = append(keys, d.group)
	}
	for _, k := range keys {
		v := q.b.Bucket(keyDedup).Get(k[:])
		if len(v) != 32 || int64(binary.BigEndian.Uint64(v)) <= q.now {
			continue
		}
		return sent{[16]byte(v[8:24]), binary.BigEndian.Uint64(v[24:])}, true
	}
	return sent{}, false
}

// remember keeps a deduplication id, and forgets a few that are over, so that the store does not grow with a busy queue.
func (q *queue) remember(d dedupKeys, s sent) error {
	if _, err := q.forget(4); err != nil {
		return err
	}
	h := d.queue
	if d.byGroup {
		h = d.group
	}
	dedup, ends := q.b.Bucket(keyDedup), q.b.Bucket(keyDedupEnd)
	if old := dedup.Get(h[:]); len(old) == 32 {
		if err := ends.Delete(append(append([]byte(nil), old[:8]...), h[:]...)); err != nil {
			return err
		}
	}
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 40), uint64(q.now+dedupInterval))
	if err := ends.Put(append(append([]byte(nil), v...), h[:]...), nil); err != nil {
		return err
	}
	v = append(v, s.id[:]...)
	return dedup.Put(h[:], binary.BigEndian.AppendUint64(v, s.seq))
}

// forget drops up to limit deduplication ids that are over, and tells how many it dropped.
func (q *queue) forget(limit int) (int, error) {
	dedup, ends := q.b.Bucket(keyDedup), q.b.Bucket(keyDedupEnd)
	for n := range limit {
		k, _ := ends.Cursor().First()
		if len(k) != 40 || int64(binary.BigEndian.Uint64(k)) > q.now {
			return n, nil
		}
		if err := dedup.Delete(k[8:]); err != nil {
			return n, err
		}
		if err := ends.Delete(k); err != nil {
			return n, err
		}
	}
	return limit, nil
}
