package testpicture

import (
	"bytes"
	"encoding/binary"
)

// losslessWriter writes bits, the lowest of a byte first.
type losslessWriter struct {
	out []byte
	n   int
}

func (w *losslessWriter) bits(n, v int) {
	for i := range n {
		if w.n%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// code writes a symbol of n bits, whose code is its number.
func (w *losslessWriter) code(n, symbol int) {
	for i := n - 1; i >= 0; i-- {
		w.bits(1, symbol>>i)
	}
}

// one writes a code of one symbol, which takes no bits.
func (w *losslessWriter) one(symbol int) {
	w.bits(1, 1)
	w.bits(1, 0)
	w.bits(1, 1)
	w.bits(8, symbol)
}

// even writes a code whose first 1 << n symbols have n bits each. It takes about
// 60 bits for any n.
func (w *losslessWriter) even(n int) {
	order := []int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	w.bits(1, 0)
	at := bytes.IndexByte([]byte{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11}, byte(n))
	w.bits(4, at+1-4)
	for _, length := range order[:at+1] {
		w.bits(3, map[bool]int{true: 1}[length == n])
	}
	w.bits(1, 1)
	w.bits(3, 5)
	w.bits(12, 1<<n-2)
}

// ManyGroups is a lossless WebP of w x h whose tiles of 4 x 4 pixels have
// groups of codes, each as large as can be, and a colour cache of 1 <<
// cacheBits. The tiles' groups are counted up to groups and begin again.
func ManyGroups(w, h, groups, cacheBits int) []byte {
	b := &losslessWriter{}
	b.bits(8, 0x2f)
	b.bits(14, w-1)
	b.bits(14, h-1)
	b.bits(4, 0)
	// A predictor, whose picture is of one colour, and one that has no data.
	b.bits(1, 1)
	b.bits(2, 0)
	b.bits(3, 0)
	b.bits(1, 0)
	for _, v := range []int{0, 0, 0, 255, 0} {
		b.one(v)
	}
	b.bits(1, 1)
	b.bits(2, 2)
	b.bits(1, 0)

	b.bits(1, 1)
	b.bits(4, cacheBits)
	b.bits(1, 1)
	b.bits(3, 0)
	b.bits(1, 0)
	b.even(8) // the groups' low bytes
	b.even(8) // the high ones
	for range 3 {
		b.one(0)
	}
	for i := range (w + 3) / 4 * ((h + 3) / 4) {
		group := i % groups
		b.code(8, group&255)
		b.code(8, group>>8)
	}
	for range groups {
		b.even(11)
		b.even(8)
		b.even(8)
		b.even(8)
		b.even(5)
	}
	for range w * h {
		b.bits(11+3*8, 0)
	}
	return WebPFile(b.out)
}

// WebPFile puts lossless data into a file.
func WebPFile(data []byte) []byte {
	n := len(data)
	out := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8L"), binary.LittleEndian.AppendUint32(nil, uint32(n))...)
	out = append(out, data...)
	out = append(out, make([]byte, n&1)...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// OneGroup is a lossless picture of one colour, without a cache and tiles.
func OneGroup(w, h int) []byte {
	b := &losslessWriter{}
	b.bits(8, 0x2f)
	b.bits(14, w-1)
	b.bits(14, h-1)
	b.bits(4, 0)
	b.bits(3, 0)
	for _, v := range []int{9, 8, 7, 255, 0} {
		b.one(v)
	}
	return b.out
}
