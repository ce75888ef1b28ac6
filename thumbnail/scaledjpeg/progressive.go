package scaledjpeg

import (
	"encoding/binary"
	"math/bits"
)

// wanted reports whether a scan matters for the planes. At 1/8 nothing but DC
// does. At the other scales every AC scan does: a refinement scan can only be
// read by one who knows which coefficients of its band are not zero.
func (d *Decoder) wanted(s *scan) bool {
	return d.scale < 8 || s.ss == 0
}

// kept maps a zig-zag index to its place among the coefficients of a block
// that are stored at 1/scale; -1 is not stored. Place n*v+u, n = 8/scale.
func kept(scale, k int) int {
	n := 8 / scale
	u, v := int(zigzag[k]&7), int(zigzag[k]>>3)
	if u >= n || v >= n {
		return -1
	}
	return n*v + u
}

func (d *Decoder) runProgressive(s *scan, mx, my, n int) error {
	e := &d.bits
	for ; n > 0; n-- {
		if e.pos > e.low && !e.more(&d.src) {
			return d.overrun()
		}
		for i := range s.plan[:s.blocks] {
			b := &s.plan[i]
			at := (my*b.v+b.y)*b.c.pw + mx*b.h + b.x
			ok := true
			switch {
			case s.ss == 0 && s.ah == 0:
				ok = d.dcFirst(s, b, at)
			case s.ss == 0:
				d.dcRefine(s, b.c, at)
			case s.ah == 0:
				ok = d.acFirst(s, b, at)
			default:
				ok = d.acRefine(s, b, at)
			}
			if !ok {
				return d.badCode()
			}
		}
		mx++
	}
	if e.pos > e.low && !e.more(&d.src) {
		return d.overrun()
	}
	return nil
}

func (d *Decoder) dcFirst(s *scan, b *mcuBlock, at int) bool {
	e := &d.bits
	e.refill()
	diff, ok := e.dcDiff(b.dc)
	if !ok {
		return false
	}
	c := b.c
	c.pred += diff
	if v := int16(c.pred << s.al); d.scale == 8 {
		binary.LittleEndian.PutUint16(c.dc[2*at:], uint16(v))
	} else {
		n := 8 / d.scale
		c.coef[at*n*n] = v
	}
	return true
}

func (d *Decoder) dcRefine(s *scan, c *component, at int) {
	e := &d.bits
	e.refill()
	bit := int16(e.acc>>63) << s.al
	e.drop(1)
	if d.scale == 8 {
		c.dc[2*at] |= byte(bit)
		c.dc[2*at+1] |= byte(bit >> 8)
		return
	}
	n := 8 / d.scale
	c.coef[at*n*n] |= bit
}

// runLength decodes an end-of-band run of class r: 2^r plus r bits.
func (e *entropy) runLength(r int) int {
	v := 1<<r + int(e.acc>>1>>(63-r))
	e.drop(uint(r))
	return v
}

// progressiveSymbol decodes a symbol of run and size, without magnitude.
func (e *entropy) progressiveSymbol(t *huffTable) (run, size int, ok bool) {
	sym, length := t.slow(e.acc)
	e.drop(uint(length))
	return int(sym >> 4), int(sym & 15), length > 0
}

func (d *Decoder) acFirst(s *scan, b *mcuBlock, at int) bool {
	if s.eobrun > 0 {
		s.eobrun--
		return true
	}
	e := &d.bits
	n := 8 / d.scale
	coef := b.c.coef[at*n*n : (at+1)*n*n]
	var nz uint64
	for k := s.ss; k <= s.se; k++ {
		e.refill()
		r, size, ok := e.progressiveSymbol(b.ac)
		if !ok {
			return false
		}
		if size == 0 {
			if r < 15 {
				s.eobrun = e.runLength(r) - 1
				break
			}
			k += 15
			continue
		}
		k += r
		v := magnitude(e.acc, uint(size))
		e.drop(uint(size))
		if k > s.se {
			break
		}
		nz |= 1 << k
		if i := d.keep[k]; i >= 0 {
			coef[i] = int16(v << s.al)
		}
	}
	if b.c.nz != nil {
		b.c.nz[at] |= nz
	}
	return true
}

// acRefine reads one more bit of the coefficients of a band: of those that
// are not zero a bit each, and between those bits the coefficients that become
// +-1 now, by their run of zeros.
func (d *Decoder) acRefine(s *scan, b *mcuBlock, at int) bool {
	e := &d.bits
	n := 8 / d.scale
	coef := b.c.coef[at*n*n : (at+1)*n*n]
	nz := d.history(b.c, coef, at)
	was := nz
	k := s.ss
	if s.eobrun == 0 {
		for k <= s.se {
			e.refill()
			r, size, ok := e.progressiveSymbol(b.ac)
			if !ok {
				return false
			}
			value := int16(0)
			if size == 0 {
				if r < 15 {
					s.eobrun = e.runLength(r)
					break
				}
			} else {
				value = -1
				if e.acc>>63 != 0 {
					value = 1
				}
				e.drop(1)
			}
			// The new coefficient takes the place of the zero behind r zeros.
			zeros := ^was >> k
			for range r {
				zeros &= zeros - 1
			}
			end := min(k+bits.TrailingZeros64(zeros), s.se+1)
			d.refine(s, coef, was, k, end)
			k = end
			if k <= s.se && value != 0 {
				nz |= 1 << k
				if i := d.keep[k]; i >= 0 {
					coef[i] = value << s.al
				}
			}
			k++
		}
	}
	if s.eobrun > 0 {
		d.refine(s, coef, was, k, s.se+1)
		s.eobrun--
	}
	if b.c.nz != nil {
		b.c.nz[at] = nz
	}
	return true
}

// history returns the coefficients of a block that are not zero, a bit each.
func (d *Decoder) history(c *component, coef []int16, at int) uint64 {
	if c.nz != nil {
		return c.nz[at]
	}
	var nz uint64
	for k, z := range zigzag {
		if coef[z] != 0 {
			nz |= 1 << k
		}
	}
	return nz
}

// refine reads a bit for each coefficient of nz from k up to end.
func (d *Decoder) refine(s *scan, coef []int16, nz uint64, k, end int) {
	e := &d.bits
	nz &= ^uint64(0) << k
	if end < 64 {
		nz &= 1<<end - 1
	}
	for ; nz != 0; nz &= nz - 1 {
		e.refill()
		bit := e.acc>>63 != 0
		e.drop(1)
		i := d.keep[bits.TrailingZeros64(nz)]
		if !bit || i < 0 {
			continue
		}
		if coef[i] > 0 {
			coef[i] += 1 << s.al
		} else {
			coef[i] -= 1 << s.al
		}
	}
}

// finishProgressive turns the coefficients into samples.
func (d *Decoder) finishProgressive() {
	n := 8 / d.scale
	for i := range d.hdr.Components {
		c := &d.comps[i]
		if d.scale == 8 {
			q := int(c.deq[0])
			for j := range len(c.dc) / 2 {
				v := int(int16(binary.LittleEndian.Uint16(c.dc[2*j:])))
				c.dc[j] = clamp((v*q + bias) >> fracBits)
			}
			c.pix = c.dc[:len(c.dc)/2]
			continue
		}
		var deq [64]int32 // by place
		for k := range 64 {
			if p := d.keep[k]; p >= 0 {
				deq[p] = c.deq[k]
			}
		}
		for j := range c.pw * c.ph {
			coef := c.coef[j*n*n : (j+1)*n*n]
			for v := range n {
				for u := range n {
					d.block[n*v+u] = int32(coef[n*v+u]) * deq[n*v+u]
				}
			}
			x, y := j%c.pw, j/c.pw
			dst := c.pix[(y*c.stride+x)*n:]
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
