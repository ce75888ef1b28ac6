package scaledjpeg

// walkBits is the index width of a walkTable. 11, 12 and 13 bits take 15.4,
// 14.7 and 14.9 ms for 24 megapixels at 1/8 with a first-level cache of 32 KiB.
// With 48 KiB, 13 is faster by a few percent, but takes twice the memory and
// twice the time to build.
const walkBits = 12

// walkTable walks over AC symbols: an index of walkBits bits finds all symbols
// whose codes lie inside it, up to the end of the block, and the magnitude
// behind the last of them may reach out of it. An entry:
//
//	bits 0-5   length of all codes and magnitudes, at most walkMax
//	bits 6-15  advance of the zig-zag index; plus walkEnd when the last
//	           symbol is the end of the block; walkSlow when not even the
//	           first symbol is known
//
// One comparison, k >= 64, therefore detects that the walk must check the index.
// It is then
//
//	64                      the block is full and needs no end
//	walkEnd+1 to walkEnd+63 the end came where it may
//	anything else           the entry holds symbols of the next block, or
//	                        is walkSlow: take one symbol and go on
//
// When k was 64 before it, the end belongs to the next block, hence the +1 and
// the 63.
type walkTable [1 << walkBits]uint16

const (
	walkLength  = 0x3f
	walkAdvance = 6
	walkEnd     = 128
	walkSlow    = 256

	// walkMax lets two entries follow a refill to 56 bits and leaves the index
	// of a third: see the package's documentation.
	walkMax = (56 - walkBits) / 2
)

func (t *huffTable) buildWalk() {
	if t.walk == nil {
		t.walk = new(walkTable)
	}

	// First entries of one symbol, then entries of as many as fit.
	var first walkTable
	for i := range first {
		first[i] = walkSlow << walkAdvance
		symbol, l := t.slow(uint64(i) << (64 - walkBits))
		if l == 0 || l > walkBits {
			continue
		}
		s := int(singleOf(symbol, l))
		advance := s >> singleAdvance
		if advance == 64 {
			advance = walkEnd
		}
		if n := s & singleLength; n <= walkMax {
			first[i] = uint16(n | advance<<walkAdvance)
		}
	}
	for i := range t.walk {
		total, advance := int(first[i]&walkLength), int(first[i]>>walkAdvance)
		for advance < 64 && total < walkBits {
			rest := i << total & (1<<walkBits - 1)
			n, a := int(first[rest]&walkLength), int(first[rest]>>walkAdvance)
			_, code := t.slow(uint64(rest) << (64 - walkBits))
			// The bits after i are unknown and count as zeros here. A code
			// that extends into them is not entered.
			if a == walkSlow || total+code > walkBits || total+n > walkMax || advance+a&(walkEnd-1) > 63 {
				break
			}
			total += n
			advance += a
		}
		t.walk[i] = uint16(total | advance<<walkAdvance)
	}
}
