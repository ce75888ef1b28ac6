package scaledjpeg

import (
	"encoding/binary"
	"math/bits"
)

// wanted reports whether a scan matters for the planes. Where a block gives one
// sample only DC scans do. Elsewhere an AC scan does when it has bits within the
// tolerance's limit of coefficients that the scale keeps. A band without kept
// coefficients may share refinement scans with a band that has some, and reading
// those requires the non-zero coefficients of both bands.
func (d *Decoder) wanted(s *scan) bool {
	c := s.comps[0]
	switch {
	case s.ss == 0:
		return true
	case c.n == 1:
		return false
	case s.ah == 0:
		return c.place.kept&band(s) != 0 || s.al > d.spareBits(c)
	}
	return s.al >= d.spareBits(c)
}

// spareBits is the number of lowest bits of AC coefficients that may be missing,
// by the coarsest quantisation of the kept ones. It is one number for all bands,
// because a refinement scan cannot be read without the one before it.
func (d *Decoder) spareBits(c *component) int {
	quant := &d.quant[c.tq]
	if c.seen {
		quant = &c.quant
	}
	coarsest := 1
	for k := 1; k < 64; k++ {
		if c.place.kept>>k&1 != 0 {
			coarsest = max(coarsest, int(quant[k]))
		}
	}
	tolerance := d.opts.Tolerance
	for i := range d.hdr.Components {
		if c.n*c.h < d.comps[i].n*d.comps[i].h || c.n*c.v < d.comps[i].n*d.comps[i].v {
			tolerance = d.opts.Tolerance / 2 // fewer samples are averaged
		}
	}
	return max(0, bits.Len(uint(tolerance/coarsest))-1)
}

// band is the scan's zig-zag indices, a bit each.
func band(s *scan) uint64 { return ^uint64(0) << s.ss & (^uint64(0) >> (63 - s.se)) }

// runProgressive decodes n MCUs of a row from (mx, my) on.
func (d *Decoder) runProgressive(s *scan, mx, my, n int) error {
	e := &d.bits
	for n > 0 {
		if e.pos > e.low && !e.more(&d.src) {
			return d.overrun()
		}
		done, ok := 0, true
		switch {
		case s.ss == 0 && s.ah == 0:
			done, ok = d.dcFirst(s, mx, my, n)
		case s.ss == 0:
			done = d.dcRefine(s, mx, my, n)
		case s.ah == 0:
			done, ok = d.acFirst(s, my*s.comps[0].pw+mx, n)
		default:
			done, ok = d.acRefine(s, my*s.comps[0].pw+mx, n)
		}
		if !ok {
			return d.badCode()
		}
		mx += done
		n -= done
	}
	if e.pos > e.low && !e.more(&d.src) {
		return d.overrun()
	}
	return nil
}

// The functions for the four kinds of scan follow. Each decodes up to n MCUs and
// returns the number decoded: fewer when bytes run low. At the start of an MCU
// the reservoir holds at least 13 bits.

// dcFirst decodes the upper bits of DC coefficients.
func (d *Decoder) dcFirst(s *scan, mx, my, n int) (done int, ok bool) {
	e := &d.bits
	acc, cnt, pos := e.acc, e.cnt, e.pos
	for done < n {
		for i := range s.plan[:s.blocks] {
			b := &s.plan[i]
			c := b.c
			v := int(b.dc.diffs[acc>>(64-diffBits)])
			acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
			length := uint(v) & diffLength
			if v >>= diffValue; length == 0 {
				if v, length = b.dc.diff(acc); length == 0 {
					e.acc, e.cnt, e.pos = acc, cnt&63, pos
					return done, false
				}
			}
			acc <<= length & 63
			cnt -= length
			c.pred += v
			at := (my*b.v+b.y)*c.pw + mx*b.h + b.x
			if value := int16(c.pred << (s.al & 15)); c.n == 1 {
				binary.LittleEndian.PutUint16(c.dc[2*at:], uint16(value))
			} else {
				c.coef[at*c.n*c.n] = value
			}
		}
		mx++
		done++
		if pos > e.low {
			break
		}
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return done, true
}

// dcRefine reads the next bit of DC coefficients.
func (d *Decoder) dcRefine(s *scan, mx, my, n int) (done int) {
	e := &d.bits
	acc, cnt, pos := e.acc, e.cnt, e.pos
	for done < n {
		for i := range s.plan[:s.blocks] {
			if i%32 == 0 {
				acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
			}
			b := &s.plan[i]
			bit := uint16(acc>>63) << (s.al & 15)
			acc <<= 1
			cnt--
			at := (my*b.v+b.y)*b.c.pw + mx*b.h + b.x
			if b.c.n == 1 {
				two := b.c.dc[2*at:]
				binary.LittleEndian.PutUint16(two, binary.LittleEndian.Uint16(two)|bit)
			} else {
				b.c.coef[at*b.c.n*b.c.n] |= int16(bit)
			}
		}
		mx++
		done++
		if pos > e.low {
			break
		}
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return done
}

// acFirst decodes the upper bits of a band of AC coefficients. Blocks without
// coefficients are counted by a run and cost nothing.
func (d *Decoder) acFirst(s *scan, at, n int) (done int, ok bool) {
	e := &d.bits
	acc, cnt, pos := e.acc, e.cnt, e.pos
	c, t := s.comps[0], s.acTab[0]
	area := c.n * c.n
	for done < n {
		if s.eobrun > 0 {
			skip := min(s.eobrun, n-done)
			s.eobrun -= skip
			done += skip
			continue
		}
		if pos > e.low && done > 0 {
			break
		}
		coef := c.coef[(at+done)*area:][:area]
		nz := c.nz[at+done]
		for k := s.ss; k <= s.se; k++ {
			acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
			v := t.code(acc)
			if v == 0 {
				e.acc, e.cnt, e.pos = acc, cnt&63, pos
				return done, false
			}
			length, r, size := v&codeLength, int(v>>(codeSymbol+4)), v>>codeSymbol&15
			acc <<= length
			cnt -= length
			if size == 0 {
				if r < 15 {
					// The band ends here in this block and those of the run.
					s.eobrun = 1<<r + int(acc>>1>>(63-r)) - 1
					acc <<= r
					cnt -= uint(r)
					break
				}
				k += 15
				continue
			}
			k += r
			if k <= s.se {
				nz |= 1 << (k & 63)
				if c.place.kept>>k&1 != 0 {
					coef[c.place.at[k&63]] = int16(magnitude(acc, size) << (s.al & 15))
				}
			}
			acc <<= size
			cnt -= size
		}
		c.nz[at+done] = nz
		done++
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return done, true
}

// acRefine reads the next bit of a band: one bit for each coefficient that is
// not zero, and between those bits, by their run of zeros, the coefficients that
// become +-1 in this scan. For coefficients that the scale does not keep, the
// masks of non-zero coefficients are enough.
func (d *Decoder) acRefine(s *scan, at, n int) (done int, ok bool) {
	e := &d.bits
	c, t := s.comps[0], s.acTab[0]
	area := c.n * c.n
	band := ^uint64(0) << s.ss & (^uint64(0) >> (63 - s.se))
	for ; done < n && (done == 0 || e.pos <= e.low); done++ {
		coef := c.coef[(at+done)*area:][:area]
		was := c.nz[at+done] & band // non-zero before this scan, and not yet passed
		zero := band &^ was         // zero before this scan, and not yet passed
		for s.eobrun == 0 && was|zero != 0 {
			e.refill()
			v := t.code(e.acc)
			if v == 0 {
				return done, false
			}
			e.drop(v & codeLength)
			r, size := int(v>>(codeSymbol+4)), v>>codeSymbol&15
			if size == 0 && r < 15 {
				s.eobrun = 1<<r + int(e.acc>>1>>(63-r))
				e.drop(uint(r))
				break
			}
			var value int16
			if size != 0 {
				value = int16(e.acc>>63)<<1 - 1
				e.drop(1)
			}
			// Its place is the zero after r zeros. The coefficients before it
			// are corrected.
			for ; r > 0; r-- {
				zero &= zero - 1
			}
			k := bits.TrailingZeros64(zero) // 64 when the band has no such place
			zero &= zero - 1
			passed := was & (1<<k - 1)
			was &^= passed
			if passed != 0 {
				d.correct(coef, c.place, passed, s.al)
			}
			if value != 0 && k < 64 {
				c.nz[at+done] |= 1 << k
				if c.place.kept>>k&1 != 0 {
					coef[c.place.at[k]] = value << s.al
				}
			}
		}
		if s.eobrun > 0 {
			if was != 0 {
				d.correct(coef, c.place, was, s.al)
			}
			s.eobrun--
		}
	}
	return done, true
}

// correct reads a bit for each coefficient of the mask and applies it to those
// that are kept.
func (d *Decoder) correct(coef []int16, place *placement, mask uint64, al int) {
	e := &d.bits
	for mask != 0 {
		e.refill()
		part := mask
		n := bits.OnesCount64(mask)
		if n > 56 {
			part &= 1<<32 - 1
			n = bits.OnesCount64(part)
		}
		for m := part & place.kept; m != 0; m &= m - 1 {
			k := bits.TrailingZeros64(m)
			if e.acc<<bits.OnesCount64(part&(1<<k-1))>>63 == 0 {
				continue
			}
			if i := place.at[k&63]; coef[i] > 0 {
				coef[i] += 1 << al
			} else {
				coef[i] -= 1 << al
			}
		}
		e.drop(uint(n))
		mask &^= part
	}
}

// finishProgressive turns the coefficients into samples.
func (d *Decoder) finishProgressive() {
	for i := range d.hdr.Components {
		c := &d.comps[i]
		n := c.n
		deq, missing := d.byPlace(c)
		if n == 1 {
			q, dc := int(deq[0]), c.dc
			offset := bias + int(missing[0])
			for j := range len(dc) / 2 {
				v := int(int16(binary.LittleEndian.Uint16(dc[2*j:])))
				dc[j] = clamp((v*q + offset) >> fracBits)
			}
			continue // image takes the samples from there
		}
		exact := missing == [64]int32{}
		for j := range c.pw * c.ph {
			coef := c.coef[j*n*n : (j+1)*n*n]
			dst := c.pix[(j/c.pw*c.stride+j%c.pw)*n:]
			if c.nz[j] == 0 {
				fill(dst, c.stride, n, int32(coef[0])*deq[0]+missing[0])
				continue
			}
			for p, v := range coef {
				d.block[p] = int32(v) * deq[p]
			}
			if !exact {
				addMissing(&d.block, coef, &missing)
			}
			switch n {
			case 2:
				idct2(dst, c.stride, &d.block)
			case 4:
				idct4(dst, c.stride, &d.block)
			case 8:
				idct8(dst, c.stride, &d.block)
			}
		}
	}
}

// byPlace returns, by the place in the block, the dequantisation factor and half
// of the largest value that the unread bits can add.
func (d *Decoder) byPlace(c *component) (deq, missing [64]int32) {
	for k := range 64 {
		if c.place.kept>>k&1 != 0 {
			p := c.place.at[k]
			deq[p] = c.deq[k]
			missing[p] = int32(int64(c.deq[k]) * int64(1<<c.low[k]-1) / 2)
		}
	}
	return deq, missing
}

// addMissing sets coefficients whose lower bits are unknown to the middle of
// their interval. AC is coded by its absolute value, DC by its floor.
func addMissing(block *[64]int32, coef []int16, missing *[64]int32) {
	block[0] += missing[0]
	for p := 1; p < len(coef); p++ {
		switch {
		case coef[p] > 0:
			block[p] += missing[p]
		case coef[p] < 0:
			block[p] -= missing[p]
		}
	}
}
