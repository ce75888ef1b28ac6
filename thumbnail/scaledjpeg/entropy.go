package scaledjpeg

import (
	"bytes"
	"encoding/binary"
)

const (
	// chunkSize is the size of the buffer of unstuffed bytes. It is a power of
	// two, so that a masked position needs no bounds check.
	chunkSize = 32 << 10
	// blockBytes is more than the longest block takes: a DC symbol of 16+15
	// bits and 63 AC symbols of 16+15 bits are 248 bytes.
	blockBytes = 256
	// maxMCUBlocks is four components of 4x4 blocks. T.81 allows 10 blocks, but
	// some writers use more.
	maxMCUBlocks = 64
)

// entropy holds the unstuffed bytes of a scan and the bit reservoir over them.
//
// The next bit is the highest of acc. The upper cnt bits are valid. The bits
// below come from the bytes at pos and are right, but not counted.
type entropy struct {
	acc uint64
	cnt uint
	pos int // buf[pos:end] is not in the counted bits
	end int
	// low is the position above which more must be called before the next
	// MCU. It leaves a whole MCU before the end while more data may come, and
	// is the end itself after the last data.
	low    int
	margin int
	// marker is the marker that ended the segment, 0 before its end.
	marker byte
	// tail is the offset in the stream just after buf[:end].
	tail int64
	buf  [chunkSize + 8]byte
}

// start begins a segment: no bits, no bytes.
func (e *entropy) start(mcuBlocks int) {
	e.acc, e.cnt, e.pos, e.end, e.low, e.marker = 0, 0, 0, 0, -1, 0
	e.margin = mcuBlocks*blockBytes + 16
}

// more reads data for another MCU. It returns false when the scan used more
// bits than the segment has.
func (e *entropy) more(src *source) bool {
	if e.marker != 0 {
		return e.pos*8-int(e.cnt) <= e.end*8
	}
	n := copy(e.buf[:], e.buf[e.pos:e.end])
	e.pos, e.end = 0, n
	e.unstuff(src)
	if e.marker == 0 {
		e.low = e.end - e.margin
	} else {
		// Zeros follow the data, enough for one MCU that runs past the end.
		clear(e.buf[e.end : e.end+e.margin])
		e.low = e.end
	}
	e.refill() // an MCU begins with an index taken before its first refill
	return true
}

// unstuff fills buf from the stream, up to a marker: 0xff 0x00 becomes 0xff. It
// leaves room for the zeros after the last chunk.
func (e *entropy) unstuff(src *source) {
	dst := e.buf[e.end : chunkSize-e.margin]
	for len(dst) > 0 {
		if !src.fill() {
			e.marker = markerEOF
			break
		}
		raw := src.raw[src.i:src.n]
		if len(raw) > len(dst) {
			raw = raw[:len(dst)]
		}
		i := bytes.IndexByte(raw, 0xff)
		if i < 0 {
			n := copy(dst, raw)
			src.i += n
			dst = dst[n:]
			continue
		}
		copy(dst, raw[:i])
		dst = dst[i:]
		src.i += i + 1
		b, ok := src.readByte()
		for ok && b == 0xff {
			b, ok = src.readByte() // fill byte
		}
		if !ok {
			e.marker = markerEOF
			break
		}
		if b != 0 {
			e.marker = b
			break
		}
		dst[0] = 0xff
		dst = dst[1:]
	}
	e.end = chunkSize - e.margin - len(dst)
	e.tail = src.offset()
	if e.marker != 0 && e.marker != markerEOF {
		e.tail -= 2
	}
}

// offset is the place in the stream of the next bit.
func (e *entropy) offset() int64 {
	p := max(0, e.pos-int(e.cnt/8))
	if p >= e.end {
		return e.tail
	}
	rest := e.buf[p:e.end]
	return e.tail - int64(len(rest)+bytes.Count(rest, []byte{0xff}))
}

// spent reports whether less than a byte of the segment is left.
func (e *entropy) spent() bool {
	return e.marker != 0 && e.pos*8-int(e.cnt) > e.end*8-8
}

// ended is spent, but reads more of the segment where the answer needs it.
func (e *entropy) ended(src *source) bool {
	if e.marker == 0 && e.pos > e.low {
		e.more(src)
	}
	return e.spent()
}

// finish ends the segment and returns the marker after it. It skips the
// segment's remaining bytes.
func (e *entropy) finish(src *source) byte {
	if e.marker == 0 {
		e.marker = src.nextMarker(true)
	}
	return e.marker
}

// refill tops a reservoir up to 56 bits or more, without a branch.
func refill(buf *[chunkSize + 8]byte, acc uint64, cnt uint, pos int) (uint64, uint, int) {
	acc |= binary.BigEndian.Uint64(buf[pos&(chunkSize-1):]) >> (cnt & 63)
	return acc, cnt | 56, pos + int(^cnt>>3&7)
}

// refill tops the reservoir up.
func (e *entropy) refill() { e.acc, e.cnt, e.pos = refill(&e.buf, e.acc, e.cnt, e.pos) }

// drop consumes n bits, at most 56.
func (e *entropy) drop(n uint) {
	e.acc <<= n & 63
	e.cnt -= n
}
