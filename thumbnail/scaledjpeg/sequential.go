package scaledjpeg

import "encoding/binary"

// run decodes n MCUs of a row from (mx, my) on.
func (d *Decoder) run(s *scan, mx, my, n int) error {
	switch {
	case d.hdr.Progressive:
		return d.runProgressive(s, mx, my, n)
	case d.scale == 8:
		return d.walkRun(s, mx, my, n)
	}
	e := &d.bits
	size := 8 / d.scale
	for ; n > 0; n-- {
		if e.pos > e.low && !e.more(&d.src) {
			return d.overrun()
		}
		for i := range s.plan[:s.blocks] {
			b := &s.plan[i]
			c := b.c
			flat, ok := e.coefficients(b, &d.place, &d.block)
			if !ok {
				return d.badCode()
			}
			dst := c.pix[((my*b.v+b.y)*c.stride+mx*b.h+b.x)*size:]
			switch {
			case flat:
				fill(dst, c.stride, size, d.block[0])
			case size == 2:
				idct2(dst, c.stride, &d.block)
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

// placement says where the coefficients of a block go.
type placement struct {
	kept uint64    // the zig-zag indices that are kept, a bit each
	last uint      // the last of them
	n    int       // the size of the transform
	at   [64]uint8 // the place of a zig-zag index in the block
}

func (p *placement) set(scale int) {
	p.n = 8 / scale
	p.last, p.kept = 0, 0
	for k, z := range zigzag {
		u, v := int(z&7), int(z>>3)
		p.at[k] = 63 // dropped; no transform but the full one looks there
		if u < p.n && v < p.n {
			p.at[k] = uint8(p.n*v + u)
			p.last = uint(k)
			p.kept |= 1 << k
		}
	}
}

// coefficients decodes a block and puts its dequantised coefficients into blk,
// n*v + u. The block is flat when none but DC is kept. A wrong code is not ok.
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
	v := int(b.dc.diffs[acc>>(64-dcBits)])
	acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
	pos += int(^cnt >> 3 & 7)
	cnt |= 56
	if v == 0 {
		var total uint
		v, total = b.dc.slowDC(acc)
		if total == 0 {
			return false, false
		}
		acc <<= total & 63
		cnt -= total
	} else {
		acc <<= uint(v) & 31
		cnt -= uint(v) & 31
		v >>= 5
	}
	b.c.pred += v
	blk[0] = int32(b.c.pred) * q[0]

	k := uint(1)
	some := int32(0)
	pairs := b.ac.pairs
	last := p.last
	for k <= last {
		ent := pairs[acc>>(64-pairBits)]
		acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
		pos += int(^cnt >> 3 & 7)
		cnt |= 56
		k1 := k + uint(ent>>pairAdvance1&31)
		k2 := k1 + uint(ent>>pairAdvance2&31)
		if ent-1 < pairPlain-1 && k2 < 64 {
			// The second first: where there is none, the first takes its place.
			size := uint(ent >> pairSize2 & 15)
			total := uint(ent) & 63
			v2 := int32(magnitude(acc<<((total-size)&63), size)) * q[(k2-1)&63]
			size = uint(ent >> pairSize1 & 15)
			v1 := int32(magnitude(acc<<((uint(ent>>pairEnd1&31)-size)&63), size)) * q[(k1-1)&63]
			blk[p.at[(k2-1)&63]&63] = v2
			blk[p.at[(k1-1)&63]&63] = v1
			some |= v1 | v2
			k = k2
			acc <<= total & 63
			cnt -= total
			continue
		}
		if ent >= pairPlain && k1 < 64 {
			// The block ends here, or behind one more coefficient.
			if ent >= pairSecond {
				size := uint(ent >> pairSize1 & 15)
				v1 := int32(magnitude(acc<<((uint(ent>>pairEnd1&31)-size)&63), size)) * q[(k1-1)&63]
				blk[p.at[(k1-1)&63]&63] = v1
				some |= v1
			}
			total := uint(ent) & 63
			e.acc, e.cnt, e.pos = acc<<total, (cnt-total)&63, pos
			return some == 0, true
		}
		// A long code, or the end of the block inside the entry.
		one := uint(b.ac.oneAC(acc))
		if one == 0 {
			return false, false
		}
		k += one >> lutAdvance
		total := one & lutLen
		if k <= 64 {
			size := one >> lutSize & 15
			val := int32(magnitude(acc<<(total-size), size)) * q[k-1]
			some |= val
			blk[p.at[k-1]&63] = val
		}
		acc <<= total
		cnt -= total
	}
	ac := b.ac.walk
	for k < 64 {
		ent := uint(ac[acc>>(64-walkBits)])
		acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
		pos += int(^cnt >> 3 & 7)
		cnt |= 56
		k += ent >> 6
		if k >= 64 {
			goto end
		}
		acc <<= ent & 63
		cnt -= ent
		ent = uint(ac[acc>>(64-walkBits)])
		k += ent >> 6
		if k >= 64 {
			goto end
		}
		acc <<= ent & 63
		cnt -= ent
		continue
	end:
		if k-walkEnd-1 < 63 || k == 64 {
			acc <<= ent & 63
			cnt -= ent
			break
		}
		k -= ent >> 6
		acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
		pos += int(^cnt >> 3 & 7)
		cnt |= 56
		one := b.ac.oneAC(acc)
		if one == 0 {
			return false, false
		}
		acc <<= one & lutLen
		cnt -= uint(one & lutLen)
		k += uint(one >> lutAdvance)
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return some == 0, true
}

// magnitude extends the upper size bits of acc to the value they stand for
// (T.81, F.2.2.1): the values of size s are those of s bits with a leading
// one, and their negatives, which are coded less 1.
func magnitude(acc uint64, size uint) int {
	m := uint64(int64(^acc) >> 63) // all ones where the top bit is 0
	return int((acc^m)>>1>>((63-size)&63)^m) - int(m)
}
