package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// dedupInterval is how long a FIFO queue remembers a deduplication id, in
// milliseconds.
const dedupInterval = 5 * 60 * 1000

// contentID is the deduplication id that SQS derives from a body.
func contentID(body []byte) []byte {
	sum := sha256.Sum256(body)
	return hex.AppendEncode(nil, sum[:])
}

// dedupKeys are the keys under which a deduplication id is looked up. They are
// hashes, so that they have the same length.
type dedupKeys struct {
	queue, group [32]byte
	byGroup      bool // the queue's scope: the id is stored under group
}

func (q *queue) dedupKeys(group, id []byte) dedupKeys {
	wide := append([]byte("q\x00"), id...)
	narrow := append([]byte("g\x00"), group...)
	narrow = append(append(narrow, 0), id...)
	return dedupKeys{sha256.Sum256(wide), sha256.Sum256(narrow), q.conf.GroupScope}
}

// duplicate returns the message that was sent with the same id within the
// interval. An id that was stored for the whole queue counts for each group too,
// so that a change of the scope admits no duplicate.
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

// remember stores a deduplication id, and removes a few that are over, so that
// the store does not grow with a busy queue.
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

// forget removes up to limit deduplication ids that are over and returns their
// number.
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
