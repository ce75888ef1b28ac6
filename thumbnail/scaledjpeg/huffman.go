package scaledjpeg

import "fmt"

// lutBits is the index width of the one-symbol tables.
const lutBits = 11

// An entry of a one-symbol table:
//
//	bits 0-4   length of code and magnitude together
//	bits 5-8   size: the magnitude's bits
//	bits 9-15  advance: how far the zig-zag index moves; 64 for end of block,
//	           0 in a DC table
//
// Zero marks a code longer than lutBits.
const (
	lutLen     = 0x1f
	lutSize    = 5
	lutAdvance = 9
)

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

	lut [1 << lutBits]uint16

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
	t.built, t.walked, t.diffed, t.paired = false, false, false, false
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
	t.buildLUT(ac)
	t.built, t.current = true, true
	return nil
}

// buildLUT fills the one-symbol table.
func (t *huffTable) buildLUT(ac bool) {
	clear(t.lut[:])
	code, k := 0, 0
	for l := 1; l <= lutBits; l++ {
		for range t.counts[l-1] {
			e := symbolEntry(ac, t.vals[k], l)
			first := code << (lutBits - l)
			for i := range 1 << (lutBits - l) {
				t.lut[first+i] = e
			}
			code++
			k++
		}
		code <<= 1
	}
}

// symbolEntry is the table entry of a symbol whose code has length l.
func symbolEntry(ac bool, v uint8, l int) uint16 {
	run, size := int(v>>4), int(v&15)
	advance := 0
	switch {
	case !ac:
	case size != 0 || run == 15:
		advance = run + 1
	default:
		advance = 64 // end of block
	}
	return uint16(l + size | size<<lutSize | advance<<lutAdvance)
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
