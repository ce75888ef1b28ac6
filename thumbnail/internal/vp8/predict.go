package vp8

import "sluice/thumbnail/internal/raster"

// channel holds a row of macroblocks of one channel, the row of samples above
// it, and the values for samples beyond the left and right edges.
type channel struct {
	pix    []byte
	stride int
	n      int // a macroblock's side
	units  int
	first  bool // the picture's first row
}

// margin is left of the first sample; its last column stands for the samples
// left of the picture.
const margin = 16

func newChannel(n, units int) channel {
	stride := margin + n*units + margin
	return channel{pix: make([]byte, stride*(n+1)), stride: stride, n: n, units: units}
}

// begin prepares the next row: the last one's lowest samples become those
// above. Beyond the edges are 127 above and 129 on the left; the corner belongs
// to the row above, but counts as left from the second row on (section 12.2,
// 12.3).
func (p *channel) begin(y int) {
	p.first = y == 0
	top := p.pix[:p.stride]
	if p.first {
		for i := range top {
			top[i] = 127
		}
	} else {
		copy(top, p.pix[p.n*p.stride:])
		top[margin-1] = 129
		// Right of the picture the last sample goes on.
		end := margin + p.n*p.units
		for i := end; i < end+4; i++ {
			top[i] = top[end-1]
		}
	}
	for i := 1; i <= p.n; i++ {
		p.pix[i*p.stride+margin-1] = 129
	}
}

// emit hands the finished rows on. The reducer takes as many as the picture
// has.
func (p *channel) emit(r *raster.Reducer) {
	for i := 1; i <= p.n; i++ {
		r.Add(p.pix[i*p.stride+margin : i*p.stride+margin+r.W])
	}
}

// reconstruct predicts a macroblock and adds its coefficients.
func (p *Picture) reconstruct(x, y int) {
	m := &p.macroblock
	if m.whole {
		p.luma.predict(x, m.mode)
		for i := range 16 {
			p.luma.add(x, i%4, i/4, &m.coeff[i], m.last[i])
		}
	} else {
		// Blocks on the right use the samples above and to the right of the
		// macroblock, in every row.
		var right [4]byte
		copy(right[:], p.luma.pix[margin+16*x+16:])
		for i := range 16 {
			p.luma.predict4(x, i%4, i/4, m.modes[i], &right)
			p.luma.add(x, i%4, i/4, &m.coeff[i], m.last[i])
		}
	}
	for c := range p.chroma {
		p.chroma[c].predict(x, m.uvMode)
		for i := range 4 {
			p.chroma[c].add(x, i%2, i/2, &m.coeff[16+4*c+i], m.last[16+4*c+i])
		}
	}
}

// predict fills a whole macroblock.
func (p *channel) predict(x int, mode uint8) {
	n, at := p.n, p.stride+margin+p.n*x
	above := p.pix[at-p.stride : at-p.stride+n]
	switch mode {
	case verticalMode:
		for y := range n {
			copy(p.pix[at+y*p.stride:at+y*p.stride+n], above)
		}
	case horizontalMode:
		for y := range n {
			fillBytes(p.pix[at+y*p.stride:at+y*p.stride+n], p.pix[at+y*p.stride-1])
		}
	case trueMode:
		corner := int32(p.pix[at-p.stride-1])
		for y := range n {
			row := p.pix[at+y*p.stride : at+y*p.stride+n]
			d := int32(p.pix[at+y*p.stride-1]) - corner
			for i, v := range above {
				row[i] = raster.Clamp(int32(v) + d)
			}
		}
	default:
		v := p.mean(x, at, above)
		for y := range n {
			fillBytes(p.pix[at+y*p.stride:at+y*p.stride+n], v)
		}
	}
}

// mean is that of the samples above and on the left, as far as the picture has
// them.
func (p *channel) mean(x, at int, above []byte) byte {
	sum, count := 0, 0
	if !p.first {
		for _, v := range above {
			sum += int(v)
		}
		count += p.n
	}
	if x > 0 {
		for y := range p.n {
			sum += int(p.pix[at+y*p.stride-1])
		}
		count += p.n
	}
	if count == 0 {
		return 128
	}
	return byte((sum + count/2) / count)
}

func fillBytes(dst []byte, v byte) {
	for i := range dst {
		dst[i] = v
	}
}

// predict4 fills a block of 4 x 4 samples (section 12.3). With the samples
// around it in one line,
//
//	e = left from below to above, corner, above from left to right and on
//
// most modes are means of two or three neighbours in that line, the same along
// a diagonal.
func (p *channel) predict4(x, bx, by int, mode uint8, right *[4]byte) {
	at := p.stride + margin + p.n*x + 4*bx + 4*by*p.stride
	s := p.stride
	var e [13]int32
	for i := range 4 {
		e[3-i] = int32(p.pix[at+i*s-1])
	}
	e[4] = int32(p.pix[at-s-1])
	for i, v := range p.pix[at-s : at-s+8] {
		e[5+i] = int32(v)
	}
	if bx == 3 {
		for i, v := range right {
			e[9+i] = int32(v)
		}
	}
	two := func(i int) byte { return byte((e[i] + e[i+1] + 1) >> 1) }
	three := func(i int) byte { return byte((e[i-1] + 2*e[i] + e[i+1] + 2) >> 2) } // around i
	r0, r1 := p.pix[at:at+4:at+4], p.pix[at+s:at+s+4:at+s+4]
	r2, r3 := p.pix[at+2*s:at+2*s+4:at+2*s+4], p.pix[at+3*s:at+3*s+4:at+3*s+4]
	switch mode {
	case dcMode:
		v := byte((e[0] + e[1] + e[2] + e[3] + e[5] + e[6] + e[7] + e[8] + 4) >> 3)
		for _, r := range [4][]byte{r0, r1, r2, r3} {
			r[0], r[1], r[2], r[3] = v, v, v, v
		}
	case trueMode:
		for i, r := range [4][]byte{r0, r1, r2, r3} {
			d := e[3-i] - e[4]
			r[0], r[1], r[2], r[3] = raster.Clamp(e[5]+d), raster.Clamp(e[6]+d), raster.Clamp(e[7]+d), raster.Clamp(e[8]+d)
		}
	case verticalMode:
		r0[0], r0[1], r0[2], r0[3] = three(5), three(6), three(7), three(8)
		copy(r1, r0)
		copy(r2, r0)
		copy(r3, r0)
	case horizontalMode:
		fillBytes(r0, three(3))
		fillBytes(r1, three(2))
		fillBytes(r2, three(1))
		fillBytes(r3, byte((e[1]+3*e[0]+2)>>2))
	case leftDownMode:
		r0[0] = three(6)
		r0[1] = three(7)
		r0[2] = three(8)
		r0[3] = three(9)
		r1[0], r1[1], r1[2], r1[3] = r0[1], r0[2], r0[3], three(10)
		r2[0], r2[1], r2[2], r2[3] = r0[2], r0[3], r1[3], three(11)
		r3[0], r3[1], r3[2], r3[3] = r0[3], r1[3], r2[3], byte((e[11]+3*e[12]+2)>>2)
	case rightDownMode:
		r3[0], r3[1], r3[2], r3[3] = three(1), three(2), three(3), three(4)
		r2[0], r2[1], r2[2], r2[3] = r3[1], r3[2], r3[3], three(5)
		r1[0], r1[1], r1[2], r1[3] = r2[1], r2[2], r2[3], three(6)
		r0[0], r0[1], r0[2], r0[3] = r1[1], r1[2], r1[3], three(7)
	case verticalRightMode:
		r0[0], r0[1], r0[2], r0[3] = two(4), two(5), two(6), two(7)
		r1[0], r1[1], r1[2], r1[3] = three(4), three(5), three(6), three(7)
		r2[0], r2[1], r2[2], r2[3] = three(3), r0[0], r0[1], r0[2]
		r3[0], r3[1], r3[2], r3[3] = three(2), r1[0], r1[1], r1[2]
	case verticalLeftMode:
		r0[0], r0[1], r0[2], r0[3] = two(5), two(6), two(7), two(8)
		r1[0], r1[1], r1[2], r1[3] = three(6), three(7), three(8), three(9)
		r2[0], r2[1], r2[2], r2[3] = r0[1], r0[2], r0[3], three(10)
		r3[0], r3[1], r3[2], r3[3] = r1[1], r1[2], r1[3], three(11)
	case horizontalDownMode:
		r0[0], r0[1], r0[2], r0[3] = two(3), three(4), three(5), three(6)
		r1[0], r1[1], r1[2], r1[3] = two(2), three(3), r0[0], r0[1]
		r2[0], r2[1], r2[2], r2[3] = two(1), three(2), r1[0], r1[1]
		r3[0], r3[1], r3[2], r3[3] = two(0), three(1), r2[0], r2[1]
	case horizontalUpMode:
		low := byte(e[0])
		r0[0], r0[1], r0[2], r0[3] = two(2), three(2), two(1), three(1)
		r1[0], r1[1], r1[2], r1[3] = r0[2], r0[3], two(0), byte((e[1]+3*e[0]+2)>>2)
		r2[0], r2[1], r2[2], r2[3] = r1[2], r1[3], low, low
		r3[0], r3[1], r3[2], r3[3] = low, low, low, low
	}
}

// add adds a block's residue: the inverse transform of its coefficients
// (section 14.4), of which last says how many there are.
func (p *channel) add(x, bx, by int, c *[16]int16, last uint8) {
	if last == 0 {
		return
	}
	at := p.stride + margin + p.n*x + 4*bx + 4*by*p.stride
	if last == 1 {
		d := (int32(c[0]) + 4) >> 3
		for range 4 {
			r := p.pix[at : at+4 : at+4]
			r[0], r[1], r[2], r[3] = raster.Clamp(int32(r[0])+d), raster.Clamp(int32(r[1])+d), raster.Clamp(int32(r[2])+d), raster.Clamp(int32(r[3])+d)
			at += p.stride
		}
		return
	}
	// √2·cos(π/8) - 1 and √2·sin(π/8) in 16 bits.
	const cosine, sine = 20091, 35468
	var t [16]int32
	for i := range 4 {
		c0, c1, c2, c3 := int32(c[i]), int32(c[4+i]), int32(c[8+i]), int32(c[12+i])
		a, b := c0+c2, c0-c2
		u := c1*sine>>16 - (c3 + c3*cosine>>16)
		v := c1 + c1*cosine>>16 + c3*sine>>16
		t[i], t[4+i], t[8+i], t[12+i] = a+v, b+u, b-u, a-v
	}
	for i := range 4 {
		t0, t1, t2, t3 := t[4*i], t[4*i+1], t[4*i+2], t[4*i+3]
		a, b := t0+t2+4, t0-t2+4
		u := t1*sine>>16 - (t3 + t3*cosine>>16)
		v := t1 + t1*cosine>>16 + t3*sine>>16
		r := p.pix[at : at+4 : at+4]
		r[0] = raster.Clamp(int32(r[0]) + (a+v)>>3)
		r[1] = raster.Clamp(int32(r[1]) + (b+u)>>3)
		r[2] = raster.Clamp(int32(r[2]) + (b-u)>>3)
		r[3] = raster.Clamp(int32(r[3]) + (a-v)>>3)
		at += p.stride
	}
}
