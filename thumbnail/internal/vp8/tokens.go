package vp8

// zigzag is the order of a block's coefficients, bandOf groups them by their
// place in it.
var (
	zigzag = [16]uint8{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}
	bandOf = [17]uint8{0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0}
)

// largeValues are the values that carry extra bits: the least, and the bits'
// probabilities (section 13.2).
var largeValues = [6]struct {
	least int32
	probs []uint8
}{
	{5, []uint8{159}},
	{7, []uint8{165, 145}},
	{11, []uint8{173, 148, 140}},
	{19, []uint8{176, 155, 140, 135}},
	{35, []uint8{180, 157, 141, 134, 130}},
	{67, []uint8{254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}},
}

// The types of block, which have probabilities of their own.
const (
	lumaWithoutDC = iota
	dcBlock
	chromaBlock
	lumaBlock
)

// readCoefficients reads a macroblock's blocks, and notes for its neighbours
// which had any.
func (p *Picture) readCoefficients(b *boolDecoder, x int) {
	m, above, left := &p.macroblock, &p.above[x], &p.left
	m.last = [25]uint8{}
	if m.skip {
		above.luma, above.chroma, left.luma, left.chroma = [4]uint8{}, [2][2]uint8{}, [4]uint8{}, [2][2]uint8{}
		if m.whole {
			above.y2, left.y2 = 0, 0
		}
		return
	}
	q := &p.quant[m.segment]
	kind, first := lumaBlock, 0
	if m.whole {
		kind, first = lumaWithoutDC, 1
		n := p.readBlock(b, dcBlock, above.y2+left.y2, 0, &q.y2, &m.coeff[24])
		m.last[24] = n
		above.y2, left.y2 = min(n, 1), min(n, 1)
	}
	for i := range 16 {
		bx, by := i%4, i/4
		n := p.readBlock(b, kind, above.luma[bx]+left.luma[by], first, &q.y, &m.coeff[i])
		m.last[i] = n
		any := uint8(0)
		if int(n) > first {
			any = 1
		}
		above.luma[bx], left.luma[by] = any, any
	}
	for i := range 8 {
		c, bx, by := i/4, i%2, i/2%2
		n := p.readBlock(b, chromaBlock, above.chroma[c][bx]+left.chroma[c][by], 0, &q.uv, &m.coeff[16+i])
		m.last[16+i] = n
		above.chroma[c][bx], left.chroma[c][by] = min(n, 1), min(n, 1)
	}
	if m.whole {
		m.spreadDCs()
	}
}

// readBlock reads one block from coefficient first on, multiplied by the
// quantiser's steps. It returns 1 + the last one's index, or first when there
// is none. The coefficients are cleared before they are set.
func (p *Picture) readBlock(b *boolDecoder, kind int, context uint8, first int, q *[2]int32, out *[16]int16) uint8 {
	bands := &p.probs[kind]
	i := first
	probs := &bands[bandOf[i]][context]
	if b.bit(probs[0]) == 0 {
		return uint8(first)
	}
	*out = [16]int16{}
	for {
		// After a zero there is no end: a block's last coefficient is not zero.
		for b.bit(probs[1]) == 0 {
			i++
			if i == 16 {
				return 16
			}
			probs = &bands[bandOf[i]][0]
		}
		v, next := int32(1), 1
		if b.bit(probs[2]) == 1 {
			v, next = readLarge(b, probs), 2
		}
		if b.flag() {
			v = -v
		}
		out[zigzag[i]] = int16(v * q[min(i, 1)])
		i++
		if i == 16 {
			return 16
		}
		probs = &bands[bandOf[i]][next]
		if b.bit(probs[0]) == 0 {
			return uint8(i)
		}
	}
}

// readLarge reads a value of 2 or more.
func readLarge(b *boolDecoder, probs *[11]uint8) int32 {
	if b.bit(probs[3]) == 0 {
		if b.bit(probs[4]) == 0 {
			return 2
		}
		return 3 + int32(b.bit(probs[5]))
	}
	var kind uint32
	if b.bit(probs[6]) == 0 {
		kind = b.bit(probs[7])
	} else {
		high := b.bit(probs[8])
		kind = 2 + 2*high + b.bit(probs[9+high])
	}
	large := &largeValues[kind]
	var extra int32
	for _, prob := range large.probs {
		extra = extra<<1 | int32(b.bit(prob))
	}
	return large.least + extra
}

// spreadDCs turns the block of DCs back by the Walsh-Hadamard transform and
// gives each luma block its own (section 14.3).
func (m *macroblock) spreadDCs() {
	if m.last[24] == 0 {
		m.coeff[24] = [16]int16{}
	}
	in := &m.coeff[24]
	var t [16]int32
	for i := range 4 {
		a, b := int32(in[i])+int32(in[12+i]), int32(in[4+i])+int32(in[8+i])
		c, d := int32(in[4+i])-int32(in[8+i]), int32(in[i])-int32(in[12+i])
		t[i], t[4+i], t[8+i], t[12+i] = a+b, c+d, a-b, d-c
	}
	for i := range 4 {
		r := t[4*i : 4*i+4]
		a, b, c, d := r[0]+r[3], r[1]+r[2], r[1]-r[2], r[0]-r[3]
		for k, v := range [4]int32{a + b, c + d, a - b, d - c} {
			block := 4*i + k
			if m.last[block] <= 1 {
				m.coeff[block] = [16]int16{} // it was not read
			}
			m.coeff[block][0] = int16((v + 3) >> 3)
			if m.coeff[block][0] != 0 {
				m.last[block] = max(m.last[block], 1)
			} else if m.last[block] == 1 {
				m.last[block] = 0
			}
		}
	}
}
