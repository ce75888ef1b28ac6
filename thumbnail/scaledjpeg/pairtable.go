package scaledjpeg

// pairBits is the index width of a pairTable.
const pairBits = 11

// pairTable finds one or two AC symbols and the positions of their values. An
// index of pairBits bits finds the first symbol, and the second when its code
// is inside the index too. An entry:
//
//	bits 0-5    length of all codes and magnitudes
//	bits 6-10   length of the first code and magnitude
//	bits 11-14  size of the first magnitude
//	bits 15-18  size of the second
//	bits 19-23  advance of the zig-zag index by the first symbol
//	bits 24-28  advance by the second; 0 where there is none
//	bit 30      the first symbol is the end of the block
//	bit 31      the second symbol is
//
// Zero is a first symbol with a longer code, or none. A magnitude is the last
// size bits of its length, so both values are taken from the reservoir
// independently.
type pairTable [1 << pairBits]uint32

const (
	pairLength   = 0x3f
	pairFirst    = 6
	pairSize1    = 11
	pairSize2    = 15
	pairAdvance1 = 19
	pairAdvance2 = 24
	pairEnd      = 1 << 30 // entries from here on end the block
	pairEnd2     = 1 << 31
)

func (t *huffTable) buildPairs() {
	if t.pairs == nil {
		t.pairs = new(pairTable)
	}
	for i := range t.pairs {
		t.pairs[i] = t.pair(uint64(i) << (64 - pairBits))
	}
}

// pair is the entry for the upper pairBits bits of acc.
func (t *huffTable) pair(acc uint64) uint32 {
	symbol, l := t.slow(acc)
	if l == 0 || l > pairBits {
		return 0
	}
	s := uint32(singleOf(symbol, l))
	length, advance := s&singleLength, s>>singleAdvance
	if advance == 64 {
		return pairEnd | length
	}
	e := length<<pairFirst | s>>singleSize&15<<pairSize1 | advance<<pairAdvance1
	if length >= pairBits {
		return e | length
	}
	symbol, l = t.slow(acc << length)
	if l == 0 || int(length)+l > pairBits {
		return e | length
	}
	s = uint32(singleOf(symbol, l))
	length += s & singleLength
	if s>>singleAdvance == 64 {
		return e | length | pairEnd2
	}
	return e | length | s>>singleSize&15<<pairSize2 | s>>singleAdvance<<pairAdvance2
}
