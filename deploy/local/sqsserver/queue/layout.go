package queue

import (
	"encoding/binary"
	"errors"
	"slices"

	"sluice/deploy/local/sqsserver/attribute"
)

// The names and encodings in this file are the on-disk format. Numbers are
// big-endian, times are Unix milliseconds.

// Buckets of the store.
var (
	rootBucket  = []byte("sqs")       // queue name → the queue's bucket
	tasksBucket = []byte("sqs-moves") // task id → move task
)

// Keys in a queue's bucket.
var (
	keyConfig   = []byte("config")
	keyTags     = []byte("tags")
	keyCounts   = []byte("counts")
	keyMessages = []byte("m") // key → message
	keyStates   = []byte("s") // key → state, for messages that were received at least once
	keyReady    = []byte("r") // available at, key → nothing; standard queues
	keyWaiting  = []byte("w") // available at, key → kind
	keyGroups   = []byte("g") // group, 0, sequence → kind, sent; FIFO queues, as are those below
	keyHeads    = []byte("h") // ready since, sequence of the head → group
	keyListed   = []byte("l") // group → its key in "h"
	keyDedup    = []byte("d") // hash of scope and id → until, message id, sequence
	keyDedupEnd = []byte("e") // until, hash → nothing
)

// perMessage are the buckets that a purge empties.
var perMessage = [][]byte{keyMessages, keyStates, keyReady, keyWaiting, keyGroups, keyHeads, keyListed}

// The kind says what a message waits for. The values are stored.
const (
	kindReady    = 0
	kindDelayed  = 1
	kindInFlight = 2 // received
	kindPutOff   = 3 // received, and its visibility was changed; counted as in flight
)

// key names a message within its queue: the time it was sent, then its sequence
// number.
type key [16]byte

func newKey(sent int64, seq uint64) (k key) {
	binary.BigEndian.PutUint64(k[:8], uint64(sent))
	binary.BigEndian.PutUint64(k[8:], seq)
	return k
}

func (k key) sent() int64 { return int64(binary.BigEndian.Uint64(k[:8])) }
func (k key) seq() uint64 { return binary.BigEndian.Uint64(k[8:]) }

// timeKey is a key in "r" or "w".
func timeKey(at int64, k key) []byte {
	b := make([]byte, 0, 24)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	return append(b, k[:]...)
}

// splitTimeKey is the inverse of timeKey.
func splitTimeKey(b []byte) (at int64, k key) {
	at = int64(binary.BigEndian.Uint64(b))
	copy(k[:], b[8:])
	return at, k
}

// groupKey is a key in "g". A group id has no zero byte.
func groupKey(group string, seq uint64) []byte {
	b := make([]byte, 0, len(group)+9)
	b = append(append(b, group...), 0)
	return binary.BigEndian.AppendUint64(b, seq)
}

// headKey is a key in "h".
func headKey(since int64, seq uint64) []byte {
	b := make([]byte, 0, 16)
	b = binary.BigEndian.AppendUint64(b, uint64(since))
	return binary.BigEndian.AppendUint64(b, seq)
}

// state is the part of a message that a receive changes.
type state struct {
	availableAt int64
	receives    uint32 // in this queue
	first, last int64  // receives
	nonce       uint64 // of the last receive; an older receipt handle has another one
}

const stateLen = 36

func (s state) encode() []byte {
	b := make([]byte, 0, stateLen)
	b = binary.BigEndian.AppendUint64(b, uint64(s.availableAt))
	b = binary.BigEndian.AppendUint32(b, s.receives)
	b = binary.BigEndian.AppendUint64(b, uint64(s.first))
	b = binary.BigEndian.AppendUint64(b, uint64(s.last))
	return binary.BigEndian.AppendUint64(b, s.nonce)
}

func decodeState(b []byte) (s state, ok bool) {
	if len(b) != stateLen {
		return state{}, false
	}
	return state{
		availableAt: int64(binary.BigEndian.Uint64(b)),
		receives:    binary.BigEndian.Uint32(b[8:]),
		first:       int64(binary.BigEndian.Uint64(b[12:])),
		last:        int64(binary.BigEndian.Uint64(b[20:])),
		nonce:       binary.BigEndian.Uint64(b[28:]),
	}, true
}

// message is the part of a message that a send fixes. The slices of a message
// that was read from the store are the store's own and end with the transaction.
type message struct {
	id          [16]byte
	availableAt int64  // before the first receive
	before      uint32 // receives in the queues that it was moved from
	md5         [16]byte
	group       []byte // empty without a group
	dedup       []byte
	source      []byte // ARN of the queue that it was moved from as a dead letter
	trace       []byte // AWSTraceHeader
	attrs       []byte // see encodeAttributes
	body        []byte
}

const (
	messageVersion = 1
	messageHead    = 1 + 16 + 8 + 4 + 16
)

func (m *message) encode() []byte {
	b := make([]byte, 0, messageHead+5*binary.MaxVarintLen32+len(m.group)+len(m.dedup)+len(m.source)+len(m.trace)+len(m.attrs)+len(m.body))
	b = append(b, messageVersion)
	b = append(b, m.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.availableAt))
	b = binary.BigEndian.AppendUint32(b, m.before)
	b = append(b, m.md5[:]...)
	for _, f := range [...][]byte{m.group, m.dedup, m.source, m.trace, m.attrs} {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return append(b, m.body...)
}

var errDamaged = errors.New("a stored message is damaged")

func decodeMessage(b []byte) (m message, err error) {
	if len(b) < messageHead || b[0] != messageVersion {
		return m, errDamaged
	}
	copy(m.id[:], b[1:])
	m.availableAt = int64(binary.BigEndian.Uint64(b[17:]))
	m.before = binary.BigEndian.Uint32(b[25:])
	copy(m.md5[:], b[29:])
	b = b[messageHead:]
	for _, f := range [...]*[]byte{&m.group, &m.dedup, &m.source, &m.trace, &m.attrs} {
		if *f, b, err = cutField(b); err != nil {
			return m, err
		}
	}
	m.body = b
	return m, nil
}

// cutField reads a length and that many bytes.
func cutField(b []byte) (field, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || uint64(len(b)-w) < n {
		return nil, nil, errDamaged
	}
	return b[w : w+int(n) : w+int(n)], b[w+int(n):], nil
}

// encodeAttributes encodes of each attribute the name, type and value, each
// behind its length, and before the value a byte that is 1 for a binary one.
func encodeAttributes(attrs []attribute.Attribute) (b []byte) {
	for _, a := range attrs {
		for _, f := range [...]string{a.Name, a.Type} {
			b = binary.AppendUvarint(b, uint64(len(f)))
			b = append(b, f...)
		}
		kind := byte(0)
		if a.Binary {
			kind = 1
		}
		b = append(b, kind)
		b = binary.AppendUvarint(b, uint64(len(a.Value)))
		b = append(b, a.Value...)
	}
	return b
}

// decodeAttributes copies out of b what it returns.
func decodeAttributes(b []byte) (out []attribute.Attribute, err error) {
	for len(b) > 0 {
		var name, typ, value []byte
		if name, b, err = cutField(b); err != nil {
			return nil, err
		}
		if typ, b, err = cutField(b); err != nil {
			return nil, err
		}
		if len(b) == 0 {
			return nil, errDamaged
		}
		kind := b[0]
		if value, b, err = cutField(b[1:]); err != nil {
			return nil, err
		}
		out = append(out, attribute.Attribute{Name: string(name), Type: string(typ), Binary: kind == 1, Value: slices.Clone(value)})
	}
	return out, nil
}

// counts are the numbers of messages by their place. A message that waits for a
// time that has passed is still counted as waiting; see queue.promote.
type counts struct {
	ready, delayed, inFlight int64
}

func (c counts) encode() []byte {
	b := make([]byte, 0, 24)
	for _, n := range [...]int64{c.ready, c.delayed, c.inFlight} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func decodeCounts(b []byte) (c counts) {
	if len(b) != 24 {
		return counts{}
	}
	for i, n := range [...]*int64{&c.ready, &c.delayed, &c.inFlight} {
		*n = int64(binary.BigEndian.Uint64(b[8*i:]))
	}
	return c
}
