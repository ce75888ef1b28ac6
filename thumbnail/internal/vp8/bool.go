package vp8

import (
	"encoding/binary"
	"math/bits"
)

// boolDecoder decodes the arithmetic code of VP8 (RFC 6386, section 7): each
// bit has a probability of being 0 in 256ths, and narrows the range in which
// the rest of the data, read as a fraction, lies.
//
// value holds the data not yet used, its topmost byte beginning at bit n: n
// bits below that byte are loaded. span is the range less one, 127 to 254.
type boolDecoder struct {
	data  []byte
	value uint64
	n     int
	span  uint32
	// beyond counts the zero bytes that were read behind the data's end. A few
	// are harmless: they are read ahead.
	beyond int
}

func newBoolDecoder(data []byte) boolDecoder {
	return boolDecoder{data: data, n: -8, span: 254}
}

// load adds whole bytes below those there are.
func (b *boolDecoder) load() {
	if len(b.data) >= 8 {
		// As many bytes as fit: n is negative here, at least -8.
		b.value = b.value<<48 | binary.BigEndian.Uint64(b.data)>>16
		b.data = b.data[6:]
		b.n += 48
		return
	}
	b.value <<= 8
	b.n += 8
	if len(b.data) > 0 {
		b.value |= uint64(b.data[0])
		b.data = b.data[1:]
	} else {
		b.beyond++
	}
}

// bit returns the next bit, 0 or 1.
func (b *boolDecoder) bit(prob uint8) uint32 {
	if b.n < 0 {
		b.load()
	}
	split := b.span * uint32(prob) >> 8
	var bit uint32
	if uint32(b.value>>uint(b.n)) > split {
		b.span -= split + 1
		b.value -= uint64(split+1) << uint(b.n)
		bit = 1
	} else {
		b.span = split
	}
	if b.span < 127 {
		shift := bits.LeadingZeros8(uint8(b.span + 1))
		// Of span+1 = 128 there is nothing to shift; smaller ones are doubled
		// until they are at least that.
		b.span = (b.span+1)<<shift - 1
		b.n -= shift
	}
	return bit
}

// flag reads a bit of probability one half.
func (b *boolDecoder) flag() bool { return b.bit(128) == 1 }

// number reads n bits, the highest first.
func (b *boolDecoder) number(n int) int {
	v := 0
	for range n {
		v = v<<1 | int(b.bit(128))
	}
	return v
}

// signed reads n bits and a sign.
func (b *boolDecoder) signed(n int) int {
	v := b.number(n)
	if b.flag() {
		return -v
	}
	return v
}

// optional reads a flag, and behind it a signed number.
func (b *boolDecoder) optional(n int) int {
	if !b.flag() {
		return 0
	}
	return b.signed(n)
}
