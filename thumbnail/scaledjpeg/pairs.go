package scaledjpeg

const pairBits = 11

// fields of an entry
const (
	pairEnd1     = 6
	pairSize1    = 11
	pairSize2    = 15
	pairAdvance1 = 19
	pairAdvance2 = 24
	pairPlain    = 1 << 30 // end of block at once
	pairSecond   = 1 << 31 // end of block behind the first symbol
)

type pairTable [1 << pairBits]uint32

func (t *huffTable) buildPairs() {
	if t.pairs == nil {
		t.pairs = new(pairTable)
	}
	for i := range t.pairs {
		t.pairs[i] = t.pair(uint64(i) << (64 - pairBits))
	}
	t.paired = true
}

func (t *huffTable) pair(acc uint64) uint32 {
	v, l := t.slow(acc)
	if l == 0 || l > pairBits {
		return 0
	}
	e := uint32(symbolEntry(v, l))
	if e>>lutAdvance == 64 {
		return pairPlain | e&lutLen
	}
	total := e & lutLen
	ent := total<<pairEnd1 | (e>>lutSize&15)<<pairSize1 | (e>>lutAdvance)<<pairAdvance1
	if total < pairBits {
		v, l = t.slow(acc << total)
		f := uint32(symbolEntry(v, l))
		if l > 0 && int(total)+l <= pairBits {
			total += f & lutLen
			if f>>lutAdvance == 64 {
				return pairSecond | ent | total
			}
			ent |= (f>>lutSize&15)<<pairSize2 | (f>>lutAdvance)<<pairAdvance2
		}
	}
	return ent | total
}
