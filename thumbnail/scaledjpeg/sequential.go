package scaledjpeg

// run decodes n MCUs of a row from (mx, my) on.
func (d *Decoder) run(s *scan, mx, my, n int) error {
	switch {
	case d.hdr.Progressive:
		return d.runProgressive(s, mx, my, n)
	case s.walked == s.blocks:
		return d.runWalks(s, mx, my, n)
	case s.walked > 0:
		d.placeWalks(s, mx, my)
	}
	e := &d.bits
	for ; n > 0; n-- {
		if e.pos > e.low && !e.more(&d.src) {
			return d.overrun()
		}
		for i := 0; i < s.blocks; i++ {
			b := &s.plan[i]
			c := b.c
			size := c.n
			if size == 1 {
				first := i
				for i+1 < s.blocks && s.plan[i+1].c.n == 1 {
					i++
				}
				if _, ok := e.walk(d.walks[first:i+1], 1); !ok {
					return d.badCode()
				}
				continue
			}
			flat, ok := e.coefficients(b, c.place, &d.block)
			if !ok {
				return d.badCode()
			}
			dst := c.pix[((my*b.v+b.y)*c.stride+mx*b.h+b.x)*size:]
			switch {
			case size == 2: // cheaper than a branch that cannot be predicted
				idct2(dst, c.stride, &d.block)
			case flat:
				fill(dst, c.stride, size, d.block[0])
			case size == 4:
				idct4(dst, c.stride, &d.block)
			default:
				idct8(dst, c.stride, &d.block)
			}
		}
		mx++
	}
	if e.pos > e.low && !e.more(&d.src) {
		return d.overrun()
	}
	return nil
}

// placement lists the coefficients of a block that a scale keeps, with their
// places.
type placement struct {
	n    int       // the size of the transform
	kept uint64    // the zig-zag indices that are kept, a bit each
	last uint      // the highest kept index
	at   [64]uint8 // the place of a kept index: n*v + u
}

// dropped is the place of coefficients that are not kept. Only the full
// transform reads it.
const dropped = 63

func (p *placement) set(n int) {
	if p.n == n {
		return
	}
	*p = placement{n: n}
	for k, z := range zigzag {
		p.at[k] = dropped
		if u, v := int(z&7), int(z>>3); u < p.n && v < p.n {
			p.at[k] = uint8(p.n*v + u)
			p.kept |= 1 << k
			p.last = uint(k)
		}
	}
}

// coefficients decodes a block and writes its dequantised coefficients to blk.
// It walks over the coefficients after the last kept one. The block is flat when
// all kept coefficients except DC are zero. ok is false when bits match no code.
func (e *entropy) coefficients(b *mcuBlock, p *placement, blk *[64]int32) (flat, ok bool) {
	acc, cnt, pos := e.acc, e.cnt, e.pos
	q := &b.c.deq
	switch p.n {
	case 2:
		clear(blk[:4])
	case 4:
		clear(blk[:16])
	default:
		clear(blk[:])
	}
	v := int(b.dc.diffs[acc>>(64-diffBits)])
	acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
	length := uint(v) & diffLength
	if v >>= diffValue; length == 0 {
		if v, length = b.dc.diff(acc); length == 0 {
			e.acc, e.cnt, e.pos = acc, cnt&63, pos
			return false, false
		}
	}
	acc <<= length & 63
	cnt -= length
	b.c.pred += v
	blk[0] = int32(b.c.pred) * q[0]

	k, any := uint(1), int32(0)
	pairs := b.ac.pairs
	for k <= p.last {
		entry := pairs[acc>>(64-pairBits)]
		acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
		k1 := k + uint(entry>>pairAdvance1&31)
		k2 := k1 + uint(entry>>pairAdvance2&31)
		if entry-1 < pairEnd-1 && k2 < 64 {
			// The second value first: without a second symbol it is 0 and
			// k2 is k1.
			length := uint(entry) & pairLength
			size := uint(entry >> pairSize2 & 15)
			v2 := int32(magnitude(acc<<((length-size)&63), size)) * q[(k2-1)&63]
			size = uint(entry >> pairSize1 & 15)
			v1 := int32(magnitude(acc<<((uint(entry>>pairFirst&31)-size)&63), size)) * q[(k1-1)&63]
			blk[p.at[(k2-1)&63]&63] = v2
			blk[p.at[(k1-1)&63]&63] = v1
			any |= v1 | v2
			k = k2
			acc <<= length & 63
			cnt -= length
			continue
		}
		if entry >= pairEnd && k1 < 64 {
			if entry >= pairEnd2 {
				size := uint(entry >> pairSize1 & 15)
				v1 := int32(magnitude(acc<<((uint(entry>>pairFirst&31)-size)&63), size)) * q[(k1-1)&63]
				blk[p.at[(k1-1)&63]&63] = v1
				any |= v1
			}
			length := uint(entry) & pairLength
			e.acc, e.cnt, e.pos = acc<<length, (cnt-length)&63, pos
			return any == 0, true
		}
		// A long code, or a second symbol that may belong to the next block.
		one := b.ac.single(acc)
		if one == 0 {
			e.acc, e.cnt, e.pos = acc, cnt&63, pos
			return false, false
		}
		length := one & singleLength
		if k += one >> singleAdvance; k <= 64 {
			size := one >> singleSize & 15
			v := int32(magnitude(acc<<(length-size), size)) * q[k-1]
			blk[p.at[k-1]&63] = v
			any |= v
		}
		acc <<= length
		cnt -= length
	}

	// The same walk as at 1/8, but it begins with a refill.
	walk := b.ac.walk
	for k < 64 {
		entry := uint(walk[acc>>(64-walkBits)])
		acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
		k += entry >> walkAdvance
		if k < 64 {
			acc <<= entry & walkLength
			cnt -= entry
			entry = uint(walk[acc>>(64-walkBits)])
			k += entry >> walkAdvance
			if k < 64 {
				acc <<= entry & walkLength
				cnt -= entry
				continue
			}
		}
		if k-walkEnd-1 < 63 || k == 64 {
			acc <<= entry & walkLength
			cnt -= entry
			break
		}
		k -= entry >> walkAdvance
		acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
		one := b.ac.single(acc)
		if one == 0 {
			e.acc, e.cnt, e.pos = acc, cnt&63, pos
			return false, false
		}
		acc <<= one & singleLength
		cnt -= one & singleLength
		k += one >> singleAdvance
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return any == 0, true
}
