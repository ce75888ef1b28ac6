package scaledjpeg

// run decodes n MCUs of a row from (mx, my) on.
func (d *Decoder) run(s *scan, mx, my, n int) error {
	if d.hdr.Progressive {
		return d.runProgressive(s, mx, my, n)
	}
	e := &d.bits
	size := 8 / d.scale
	for ; n > 0; n-- {
		if e.pos > e.low && !e.more(&d.src) {
			return d.overrun()
		}
		for i := range s.plan[:s.blocks] {
			b := &s.plan[i]
			if !d.sequentialBlock(b) {
				return d.badCode()
			}
			c := b.c
			dst := c.pix[((my*b.v+b.y)*c.stride+mx*b.h+b.x)*size:]
			switch d.scale {
			case 8:
				idct1(dst, &d.block)
			case 4:
				idct2(dst, c.stride, &d.block)
			case 2:
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

// sequentialBlock decodes a block's coefficients, dequantised.
func (d *Decoder) sequentialBlock(b *mcuBlock) bool {
	e := &d.bits
	blk := &d.block
	*blk = [64]int{}
	q := &b.c.deq
	e.refill()
	diff, ok := e.dcDiff(b.dc)
	if !ok {
		return false
	}
	b.c.pred += diff
	blk[0] = b.c.pred * int(q[0])
	for k := 1; k < 64; {
		e.refill()
		v, advance, ok := e.acSymbol(b.ac)
		if !ok {
			return false
		}
		k += advance
		if k > 64 {
			break
		}
		blk[zigzag[(k-1)&63]] = v * int(q[(k-1)&63])
	}
	return true
}

// dcDiff decodes a DC difference. It takes at most 31 bits.
func (e *entropy) dcDiff(t *huffTable) (int, bool) {
	v := uint(t.lut[e.acc>>(64-lutBits)])
	if v == 0 {
		sym, length := t.slow(e.acc)
		if length == 0 {
			return 0, false
		}
		v = uint(symbolEntry(false, sym, length))
	}
	size := v >> lutSize & 15
	diff := magnitude(e.acc<<(v&lutLen-size), size)
	e.drop(v & lutLen)
	return diff, true
}

// acSymbol decodes an AC symbol: how far the zig-zag index moves, and the
// value of the last coefficient passed. It takes at most 31 bits.
func (e *entropy) acSymbol(t *huffTable) (value, advance int, ok bool) {
	v := uint(t.lut[e.acc>>(64-lutBits)])
	if v == 0 {
		sym, length := t.slow(e.acc)
		if length == 0 {
			return 0, 0, false
		}
		v = uint(symbolEntry(true, sym, length))
	}
	size := v >> lutSize & 15
	value = magnitude(e.acc<<(v&lutLen-size), size)
	e.drop(v & lutLen)
	return value, int(v >> lutAdvance), true
}

// magnitude extends the upper size bits of acc to the value they stand for
// (T.81, F.2.2.1): the values of size s are those of s bits with a leading
// one, and their negatives, which are coded less 1.
func magnitude(acc uint64, size uint) int {
	v := int(acc >> 1 >> (63 - size))
	negative := int(^acc) >> 63 // all ones where the top bit is 0
	return v + negative&(1-1<<size)
}
