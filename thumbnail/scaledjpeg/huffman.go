package scaledjpeg

import "fmt"

// codeBits is the index width of the one-symbol table.
const codeBits = 10

// codeSymbol is where the symbol begins in an entry of the one-symbol table;
// the code's length is below it.
const codeSymbol = 5

// huffTable is one Huffman table, by its specification and in the forms the
// scans need.
type huffTable struct {
	counts  [16]uint8
	vals    [256]uint8
	n       int  // symbols
	built   bool // the forms below belong to counts and vals
	current bool // this picture defined it

	// limit[l] is the first code of l+1 bits that is not of that length,
	// shifted to 16 bits; base[l] + code is the index in vals.
	limit [16]int32
	base  [16]int32

	codes *[1 << codeBits]uint16
	coded bool

	walk   *walkTable
	walked bool // its walk table is built
	diffs  *dcTable
	diffed bool
	pairs  *pairTable
	paired bool
}

// set takes a new specification. The same one again costs nothing.
func (t *huffTable) set(ac bool, counts *[16]uint8, vals []uint8) error {
	t.current = false
	if t.built && t.n == len(vals) && t.counts == *counts && string(t.vals[:t.n]) == string(vals) {
		t.current = true
		return nil
	}
	t.built, t.walked, t.diffed, t.paired, t.coded = false, false, false, false, false
	code := int32(0)
	index := int32(0)
	for l, n := range counts {
		code <<= 1
		t.base[l] = index - code
		code += int32(n)
		index += int32(n)
		if code > 1<<(l+1) {
			return fmt.Errorf("more codes of %d bits than there are", l+1)
		}
		t.limit[l] = code << (15 - l)
	}
	if !ac {
		for _, v := range vals {
			if v > 15 {
				return fmt.Errorf("DC size %d", v)
			}
		}
	}
	t.counts, t.n = *counts, len(vals)
	copy(t.vals[:], vals)
	t.built, t.current = true, true
	return nil
}

// buildCodes fills the one-symbol table.
func (t *huffTable) buildCodes() {
	if t.codes == nil {
		t.codes = new([1 << codeBits]uint16)
	}
	for i := range t.codes {
		sym, l := t.slow(uint64(i) << (64 - codeBits))
		if l > codeBits {
			l, sym = 0, 0
		}
		t.codes[i] = uint16(l) | uint16(sym)<<codeSymbol
	}
	t.coded = true
}

// slow decodes one symbol from the upper 16 bits of acc. It returns the
// symbol and the length of its code, 0 when there is no such code.
func (t *huffTable) slow(acc uint64) (v uint8, length int) {
	code := int32(acc >> 48)
	for l, limit := range t.limit {
		if code < limit {
			return t.vals[t.base[l]+code>>(15-l)], l + 1
		}
	}
	return 0, 0
}

// An entry for one AC symbol and its magnitude:
//
//	bits 0-4   length of code and magnitude together
//	bits 5-8   size: the magnitude's bits
//	bits 9-15  advance: how far the zig-zag index moves; 64 for end of block
const (
	lutLen     = 0x1f
	lutSize    = 5
	lutAdvance = 9
)

// symbolEntry is the entry of an AC symbol whose code has length l.
func symbolEntry(v uint8, l int) uint16 {
	run, size := int(v>>4), int(v&15)
	advance := 64 // end of block
	if size != 0 || run == 15 {
		advance = run + 1
	}
	return uint16(l + size | size<<lutSize | advance<<lutAdvance)
}
