package tables

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"sluice/pipeline"
)

// An item is stored as one byte for the form, the expiry in seconds (8 bytes,
// in formExpires only), the length of the version (1 byte), the version and the
// data. A change is stored as one byte for the form, its time in milliseconds
// (8 bytes), one byte of flags, and then the key, the old item and the new
// item, each preceded by its length in 4 bytes.
const (
	formItem    = 1
	formExpires = 2
	formChange  = 3

	flagOld     = 1 << 0
	flagNext    = 1 << 1
	flagService = 1 << 2
)

// A change is one write. old is nil for a new item, next is nil for a removed
// item.
type change struct {
	at        time.Time
	key       pipeline.Key
	old, next *pipeline.Item
	service   bool // removed because it expired
}

func encodeItem(b []byte, it pipeline.Item) []byte {
	if it.Expires.IsZero() {
		b = append(b, formItem)
	} else {
		b = append(b, formExpires)
		b = binary.BigEndian.AppendUint64(b, uint64(it.Expires.Unix()))
	}
	b = append(b, byte(len(it.Version)))
	b = append(b, it.Version...)
	return append(b, it.Data...)
}

// decodeItem decodes an item. The result shares no memory with b.
func decodeItem(k pipeline.Key, b []byte) (pipeline.Item, error) {
	r := reader{b: b}
	it := pipeline.Item{Key: k}
	switch form := r.byte(); form {
	case formItem:
	case formExpires:
		it.Expires = time.Unix(int64(r.uint64()), 0).UTC()
	default:
		r.bad = true
	}
	it.Version = string(r.bytes(int(r.byte())))
	it.Data = slices.Clone(r.b)
	if r.bad {
		return pipeline.Item{}, fmt.Errorf("stored item %q: %w", k, errForm)
	}
	return it, nil
}

func encodeChange(ch change) []byte {
	size := 64 + len(ch.key.PK) + len(ch.key.SK)
	flags := byte(0)
	for _, part := range []struct {
		it   *pipeline.Item
		flag byte
	}{{ch.old, flagOld}, {ch.next, flagNext}} {
		if part.it != nil {
			flags |= part.flag
			size += len(part.it.Data) + len(part.it.Version) + 16
		}
	}
	if ch.service {
		flags |= flagService
	}
	b := append(make([]byte, 0, size), formChange)
	b = binary.BigEndian.AppendUint64(b, uint64(ch.at.UnixMilli()))
	b = append(b, flags)
	b = appendSized(b, func(b []byte) []byte { return append(b, itemKey(ch.key)...) })
	for _, it := range []*pipeline.Item{ch.old, ch.next} {
		if it != nil {
			b = appendSized(b, func(b []byte) []byte { return encodeItem(b, *it) })
		}
	}
	return b
}

// decodeChange decodes a change. The result shares no memory with b.
func decodeChange(b []byte) (change, error) {
	r := reader{b: b}
	form := r.byte()
	ch := change{at: time.UnixMilli(int64(r.uint64())).UTC()}
	flags := r.byte()
	ch.service = flags&flagService != 0
	key := r.sized()
	if form != formChange || r.bad {
		return change{}, fmt.Errorf("stored change: %w", errForm)
	}
	var err error
	if ch.key, err = splitItemKey(key); err != nil {
		return change{}, err
	}
	for _, part := range []struct {
		flag byte
		it   **pipeline.Item
	}{{flagOld, &ch.old}, {flagNext, &ch.next}} {
		if flags&part.flag == 0 {
			continue
		}
		it, err := decodeItem(ch.key, r.sized())
		if err != nil {
			return change{}, err
		}
		*part.it = &it
	}
	if r.bad || len(r.b) > 0 {
		return change{}, fmt.Errorf("stored change of %q: %w", ch.key, errForm)
	}
	return ch, nil
}

// appendSized appends the bytes that add appends, preceded by their length.
func appendSized(b []byte, add func([]byte) []byte) []byte {
	at := len(b)
	b = add(append(b, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// reader reads parts from the front of b. A missing part sets bad, and every
// later part is empty.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}

func (r *reader) byte() byte {
	if part := r.bytes(1); part != nil {
		return part[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if part := r.bytes(8); part != nil {
		return binary.BigEndian.Uint64(part)
	}
	return 0
}

func (r *reader) sized() []byte {
	if part := r.bytes(4); part != nil {
		return r.bytes(int(binary.BigEndian.Uint32(part)))
	}
	return nil
}
