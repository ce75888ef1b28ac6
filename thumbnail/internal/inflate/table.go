package inflate

import "math/bits"

// A look-up table's entries, by kind:
//
//	literals:  bits 0-4 code bits in all, 5-6 how many (1 to 3), 8-31 the bytes in their order
//	length:    bits 0-4 code and extra bits, 5-7 zero, 8-11 code bits alone, 16-31 base
//	distance:  the same; code and extra bits are at most 15 + 13
//	end:       bits 0-4 code bits, bit 7; without code bits it stands for a code that is not used
//	sub-table: bits 0-4 its index bits, bits 7 and 12, 16-31 where it begins
const (
	entryBits     = 0x1f
	entryLiterals = 0x60
	oneLiteral    = 0x20
	entryKind     = 0x1080
	entryEnd      = 0x0080
	entrySub      = 0x1080
)

// The bits of a first look-up, measured: 12 and 9 are the quickest on
// photographs, 11 and 8 cost 2 % more, 13 costs 5 % in building.
const (
	litBits  = 12
	distBits = 9
	maxBits  = 15
)

// huffTable finds symbols by the next bits of the stream. The zero value is
// empty; build may be called again.
type huffTable struct {
	entries []uint32
}

// build makes the table for code lengths. It returns false for lengths that are
// no code. A code of a single symbol, or none at all, may be incomplete:
// distances have such.
func (t *huffTable) build(lens []uint8, entry func(symbol int, length uint8) uint32, first uint) bool {
	var count [maxBits + 1]int
	for _, l := range lens {
		count[l]++
	}
	count[0] = 0
	var next [maxBits + 2]int
	code, used := 0, 0
	for l := 1; l <= maxBits; l++ {
		next[l] = code
		code = (code + count[l]) << 1
		used += count[l] << (maxBits - l)
	}
	if used > 1<<maxBits || used < 1<<maxBits && used != 0 && !(used == 1<<(maxBits-1) && count[1] == 1) {
		return false
	}
	size := 1 << first
	if cap(t.entries) < size {
		t.entries = make([]uint32, size, 2*size)
	}
	t.entries = t.entries[:size]
	for i := range t.entries {
		t.entries[i] = entryEnd
	}
	// Codes longer than the first look-up share sub-tables by their first bits.
	// Each gets room for the longest.
	var subBits [1 << litBits]uint8
	codes := next
	if maxLength(&count) > int(first) {
		for _, l := range lens {
			if l == 0 {
				continue
			}
			c := codes[l]
			codes[l]++
			if uint(l) > first {
				at := reversed(c, l) & (1<<first - 1)
				subBits[at] = max(subBits[at], l-uint8(first))
			}
		}
		for at := range size {
			if b := subBits[at]; b > 0 {
				t.entries[at] = entrySub | uint32(b) | uint32(len(t.entries))<<16
				for range 1 << b {
					t.entries = append(t.entries, entryEnd)
				}
			}
		}
	}
	for s, l := range lens {
		if l == 0 {
			continue
		}
		c := reversed(next[l], l)
		next[l]++
		if uint(l) <= first {
			e := entry(s, l)
			for i := c; i < size; i += 1 << l {
				t.entries[i] = e
			}
			continue
		}
		sub := t.entries[c&(1<<first-1)]
		e := entry(s, l-uint8(first))
		for i := c >> first; i < 1<<(sub&entryBits); i += 1 << (uint(l) - first) {
			t.entries[int(sub>>16)+i] = e
		}
	}
	return true
}

func maxLength(count *[maxBits + 1]int) int {
	for l := maxBits; l > 0; l-- {
		if count[l] > 0 {
			return l
		}
	}
	return 0
}

// reversed turns a code around: the stream has its first bit lowest.
func reversed(code int, length uint8) int {
	return int(bits.Reverse16(uint16(code)) >> (16 - length))
}

// joinLiterals adds to an entry the literals that follow, as far as its bits
// determine them. It goes from high indices to low ones, so that the entry of a
// following literal, at a lower index, still has a single literal.
func (t *huffTable) joinLiterals() {
	for i := 1<<litBits - 1; i >= 0; i-- {
		e := t.entries[i]
		if e&entryLiterals == 0 {
			continue
		}
		used := uint(e & entryBits)
		for count := uint32(1); count < 3; count++ {
			next := t.entries[i>>used]
			if i>>used == i {
				break
			}
			if next&entryLiterals != oneLiteral || used+uint(next&entryBits) > litBits {
				break
			}
			used += uint(next & entryBits)
			e = e&^0x7f | (count+1)*oneLiteral | uint32(used) | next>>8<<(8+8*count)
		}
		t.entries[i] = e
	}
}

func plainEntry(symbol int, length uint8) uint32 { return uint32(symbol)<<16 | uint32(length) }

// litEntry: 0 to 255 are literals, 256 the end, the others lengths with extra
// bits.
func litEntry(symbol int, length uint8) uint32 {
	switch {
	case symbol < 256:
		return uint32(symbol)<<8 | oneLiteral | uint32(length)
	case symbol == 256:
		return entryEnd | uint32(length)
	case symbol > 285:
		return entryEnd
	}
	s := symbol - 257
	base, extra := uint32(3+s), uint32(0)
	if s >= 8 {
		extra = uint32(s)/4 - 1
		base = 3 + (4+uint32(s)%4)<<extra
	}
	if symbol == 285 {
		base, extra = 258, 0
	}
	return base<<16 | uint32(length)<<8 | (uint32(length) + extra)
}

func distEntry(symbol int, length uint8) uint32 {
	if symbol > 29 {
		return entryEnd // a base of 0 is refused
	}
	base, extra := uint32(1+symbol), uint32(0)
	if symbol >= 4 {
		extra = uint32(symbol)/2 - 1
		base = 1 + (2+uint32(symbol)%2)<<extra
	}
	return base<<16 | uint32(length)<<8 | (uint32(length) + extra)
}
