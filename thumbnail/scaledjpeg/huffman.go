package scaledjpeg

import "fmt"

// huffTable is one Huffman table: its specification and the forms that scans
// need. A form is built when a scan first needs it, and stays until the slot
// gets another specification, because cameras write the same tables into every
// picture.
type huffTable struct {
	counts  [16]uint8
	vals    [256]uint8
	n       int  // symbols
	built   bool // limit and base belong to counts and vals
	current bool // this picture defined it
	// bad is the fault of the last definition, and badAt its offset. It is kept
	// for a scan that uses the table: some files have bad tables that no scan
	// uses.
	bad   error
	badAt int64

	// limit[l] is the first code behind those of l+1 bits, shifted up to 16
	// bits; base[l] plus a code of l+1 bits is its index in vals.
	limit [16]int32
	base  [16]int32

	// long has a single for each 16 bits that begin with a code of more than
	// pairBits bits; the first is longFrom.
	long     [maxLong]uint16
	longN    uint
	longFrom uint
	// A form is valid when its bit in have is set.
	have  tableForm
	codes *codeTable
	diffs *diffTable
	walk  *walkTable
	pairs *pairTable
}

// tableForm is a set of forms.
type tableForm uint8

const (
	formCodes tableForm = 1 << iota
	formDiffs
	formWalk
	formPairs
)

// badTable is the fault of a specification. Its text is built on demand.
type badTable struct {
	format string
	n      int
}

func (b badTable) Error() string { return fmt.Sprintf(b.format, b.n) }

// set takes a new specification. The same one again costs nothing. An error
// leaves no table.
func (t *huffTable) set(ac bool, counts *[16]uint8, vals []uint8) error {
	t.current, t.bad = false, nil
	if len(vals) == 0 {
		t.bad = badTable{"%d codes", 0}
		return t.bad
	}
	if t.built && t.n == len(vals) && t.counts == *counts && string(t.vals[:t.n]) == string(vals) {
		t.current = true
		return nil
	}
	t.built, t.have = false, 0
	t.longN = 0
	code, index := int32(0), int32(0)
	for l, n := range counts {
		code <<= 1
		t.base[l] = index - code
		code += int32(n)
		index += int32(n)
		if code > 1<<(l+1) {
			t.bad = badTable{"more codes of %d bits than there are", l + 1}
			return t.bad
		}
		t.limit[l] = code << (15 - l)
	}
	if !ac {
		for _, v := range vals {
			if v > 15 {
				t.bad = badTable{"DC size %d", int(v)}
				return t.bad
			}
		}
	}
	t.counts, t.n = *counts, len(vals)
	copy(t.vals[:], vals)
	t.built, t.current = true, true
	return nil
}

// need builds the forms that are missing.
func (t *huffTable) need(forms tableForm) {
	missing := forms &^ t.have
	if missing == 0 {
		return
	}
	if missing&formCodes != 0 {
		t.buildCodes()
	}
	if missing&formDiffs != 0 {
		t.buildDiffs()
	}
	if missing&(formWalk|formPairs) != 0 {
		t.buildLong()
	}
	if missing&formWalk != 0 {
		t.buildWalk()
	}
	if missing&formPairs != 0 {
		t.buildPairs()
	}
	t.have |= missing
}

// slow decodes one symbol from the upper 16 bits of acc, by the definition of
// T.81, F.2.2.3. It returns the symbol and the length of its code, 0 when
// there is no such code.
func (t *huffTable) slow(acc uint64) (symbol uint8, length int) {
	code := int32(acc >> 48)
	for l, limit := range t.limit {
		if code < limit {
			return t.vals[t.base[l]+code>>(15-l)], l + 1
		}
	}
	return 0, 0
}

// magnitude extends the upper size bits of acc to the value they stand for
// (T.81, F.2.2.1). The values of a size are those of so many bits with a
// leading one; a leading zero marks a negative, and its bits are those of the
// absolute value, inverted. So invert, shift and negate under a mask.
func magnitude(acc uint64, size uint) int {
	m := uint64(int64(^acc) >> 63) // all ones where the top bit is 0
	return int((acc^m)>>1>>((63-size)&63)^m) - int(m)
}

// codeBits is the index width of a codeTable.
const codeBits = 10

// codeTable finds one symbol: the length of its code in the lower 5 bits of an
// entry, the symbol from bit codeSymbol on. Zero is a code that is longer, or
// none.
type codeTable [1 << codeBits]uint16

const (
	codeLength = 0x1f
	codeSymbol = 5
)

func (t *huffTable) buildCodes() {
	if t.codes == nil {
		t.codes = new(codeTable)
	}
	for i := range t.codes {
		t.codes[i] = 0
		if symbol, l := t.slow(uint64(i) << (64 - codeBits)); l <= codeBits {
			t.codes[i] = uint16(l) | uint16(symbol)<<codeSymbol
		}
	}
}

// code finds the symbol at the top of acc, as an entry of a codeTable. Zero is
// no code.
func (t *huffTable) code(acc uint64) uint {
	if v := t.codes[acc>>(64-codeBits)]; v != 0 {
		return uint(v)
	}
	symbol, length := t.slow(acc)
	return uint(length) | uint(symbol)<<codeSymbol
}

// diffBits is the index width of a diffTable.
const diffBits = 10

// diffTable finds a DC difference by its code and its magnitude at once: their
// length in the lower 5 bits of an entry, the difference from bit diffValue
// on. Zero is one that needs more bits.
type diffTable [1 << diffBits]int16

const (
	diffLength = 0x1f
	diffValue  = 5
)

func (t *huffTable) buildDiffs() {
	if t.diffs == nil {
		t.diffs = new(diffTable)
	}
	for i := range t.diffs {
		t.diffs[i] = 0
		acc := uint64(i) << (64 - diffBits)
		size, l := t.slow(acc)
		if n := l + int(size); l > 0 && n <= diffBits {
			t.diffs[i] = int16(n | magnitude(acc<<l, uint(size))<<diffValue)
		}
	}
}

// diff decodes any DC difference from the upper 31 bits of acc. It also returns
// the number of bits, 0 when there is no such code. It is not inlined, because
// the loops would spill registers for it.
//
//go:noinline
func (t *huffTable) diff(acc uint64) (value int, length uint) {
	size, l := t.slow(acc)
	if l == 0 {
		return 0, 0
	}
	return magnitude(acc<<l, uint(size)), uint(l) + uint(size)
}

// A single is one AC symbol with its magnitude:
//
//	bits 0-4   length of code and magnitude together
//	bits 5-8   size: the magnitude's bits
//	bits 9-15  advance: how far the zig-zag index moves; 64 for end of block
const (
	singleLength  = 0x1f
	singleSize    = 5
	singleAdvance = 9
)

// singleOf is the single of a symbol whose code has length l. A size of 0 with a
// run other than 0 and 15 is undefined in a sequential scan; as in libjpeg it
// ends the block.
func singleOf(symbol uint8, l int) uint16 {
	run, size := int(symbol>>4), int(symbol&15)
	advance := 64
	if size != 0 || run == 15 {
		advance = run + 1
	}
	return uint16(l + size | size<<singleSize | advance<<singleAdvance)
}

// maxLong is the largest number of entries of long that is worth building. Long
// codes are rare and begin with many ones, so their table is small: 192 entries
// in the standard table of luma.
const maxLong = 1 << 9

// buildLong makes the table of codes that the index of a pairTable does not
// hold. It saves 5 % at quality 97 and above (BenchmarkGenerated).
func (t *huffTable) buildLong() {
	t.longN, t.longFrom = 0, uint(t.limit[pairBits-1])
	n := int(t.limit[15]) - int(t.longFrom)
	if n > maxLong {
		return
	}
	for i := range n {
		symbol, l := t.slow(uint64(int(t.longFrom)+i) << 48)
		t.long[i] = singleOf(symbol, l)
	}
	t.longN = uint(max(0, n))
}

// single decodes any AC symbol from the upper 16 bits of acc. Zero is no code.
//
//go:noinline
func (t *huffTable) single(acc uint64) uint {
	if i := uint(acc>>48) - t.longFrom; i < t.longN {
		return uint(t.long[i%maxLong])
	}
	symbol, l := t.slow(acc)
	if l == 0 {
		return 0
	}
	return uint(singleOf(symbol, l))
}
