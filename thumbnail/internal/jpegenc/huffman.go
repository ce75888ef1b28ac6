package jpegenc

import (
	"cmp"
	"math/bits"
	"slices"
)

// huffmanCode is an optimal code of at most 16 bits for the symbols of one
// picture.
type huffmanCode struct {
	counts  [16]byte // codes of each length, as DHT has them
	symbols []byte   // by length
	codes   [256]struct {
		bits   uint16
		length uint8
	}
}

// newHuffmanCode follows ITU-T T.81, K.2: symbols are joined by rising
// frequency, lengths over 16 are folded back, and a 257th symbol of frequency 1
// keeps the code of all ones free, which the standard forbids.
func newHuffmanCode(freq *[256]int) (h huffmanCode) {
	const reserved = 256
	var f [257]int
	var length [257]int
	var next [257]int // of the same subtree; -1 ends it
	copy(f[:], freq[:])
	f[reserved] = 1
	live := make([]int, 0, 257) // roots of subtrees
	for s := range f {
		next[s] = -1
		if f[s] > 0 {
			live = append(live, s)
		}
	}
	for len(live) > 1 {
		// The two rarest; among equals the higher symbol, so that the reserved
		// one gets the longest code.
		a, b := -1, -1
		for i, s := range live {
			switch {
			case a < 0 || f[s] <= f[live[a]]:
				a, b = i, a
			case b < 0 || f[s] <= f[live[b]]:
				b = i
			}
		}
		sa, sb := live[a], live[b]
		f[sa] += f[sb]
		live[b] = live[len(live)-1]
		live = live[:len(live)-1]
		end := sa
		for s := sa; s >= 0; s = next[s] {
			length[s]++
			end = s
		}
		next[end] = sb
		for s := sb; s >= 0; s = next[s] {
			length[s]++
		}
	}
	var n [258]int
	for _, l := range length {
		if l > 0 {
			n[l]++
		}
	}
	limitLengths(n[:])
	// The reserved symbol has one of the longest codes: drop it.
	for l := 16; l > 0; l-- {
		if n[l] > 0 {
			n[l]--
			break
		}
	}
	for s := range reserved {
		if length[s] > 0 {
			h.symbols = append(h.symbols, byte(s))
		}
	}
	// Folding may have split a length: the more frequent symbols get the
	// shorter codes.
	slices.SortFunc(h.symbols, func(a, b byte) int {
		return cmp.Or(length[a]-length[b], freq[b]-freq[a], int(a)-int(b))
	})
	code, at := uint16(0), 0
	for l := 1; l <= 16; l++ {
		h.counts[l-1] = byte(n[l])
		for range n[l] {
			c := &h.codes[h.symbols[at]]
			c.bits, c.length = code, uint8(l)
			code++
			at++
		}
		code <<= 1
	}
	return h
}

// limitLengths moves codes longer than 16 up: a pair of the longest becomes one
// a bit shorter, and a code from higher in the tree makes room for the other.
func limitLengths(n []int) {
	for l := len(n) - 1; l > 16; l-- {
		for n[l] > 0 {
			j := l - 2
			for n[j] == 0 {
				j--
			}
			n[l] -= 2
			n[l-1]++
			n[j+1] += 2
			n[j]--
		}
	}
}

// magnitude is the number of bits of |v|.
func magnitude(v int16) uint {
	if v < 0 {
		v = -v
	}
	return uint(bits.Len16(uint16(v)))
}
