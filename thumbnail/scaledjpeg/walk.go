package scaledjpeg

// walkBlock is one block of an MCU for the walk, which gives one sample a
// block.
type walkBlock struct {
	diffs *diffTable
	walk  *walkTable
	c     *component
	row   []byte // the samples of the block's row
	at    int    // the block's sample in it
	step  int    // to the same block of the next MCU
	dc    *huffTable
	ac    *huffTable
}

// planWalks prepares the walks of a scan's blocks that give one sample.
func (d *Decoder) planWalks(s *scan) {
	s.walked = 0
	d.walkAt = [2]int{-1, -1}
	for i := range s.plan[:s.blocks] {
		if b := &s.plan[i]; b.c.n == 1 {
			d.walks[i] = walkBlock{diffs: b.dc.diffs, walk: b.ac.walk, c: b.c, dc: b.dc, ac: b.ac, step: b.h}
			s.walked++
		}
	}
}

// placeWalks moves the walks to an MCU. After a run they are already at the next
// one.
func (d *Decoder) placeWalks(s *scan, mx, my int) {
	if d.walkAt == [2]int{mx, my} {
		return
	}
	for i := range s.plan[:s.blocks] {
		if b := &s.plan[i]; b.c.n == 1 {
			d.walks[i].row = b.c.pix[(my*b.v+b.y)*b.c.stride:][:b.c.stride]
			d.walks[i].at = mx*b.h + b.x
		}
	}
}

// runWalks decodes n MCUs of a row from (mx, my) on, of blocks that all give
// one sample.
func (d *Decoder) runWalks(s *scan, mx, my, n int) error {
	e := &d.bits
	d.placeWalks(s, mx, my)
	d.walkAt = [2]int{mx + n, my}
	for n > 0 {
		if e.pos > e.low && !e.more(&d.src) {
			d.walkAt[0] = -1
			return d.overrun()
		}
		done, ok := e.walk(d.walks[:s.blocks], n)
		if !ok {
			d.walkAt[0] = -1
			return d.badCode()
		}
		n -= done
	}
	if e.pos > e.low && !e.more(&d.src) {
		return d.overrun()
	}
	return nil
}

// walk decodes up to n MCUs and returns the number decoded: fewer when bytes run
// low. It is the package's innermost loop; the package documentation explains
// its form.
func (e *entropy) walk(plan []walkBlock, n int) (done int, ok bool) {
	acc, cnt, pos := e.acc, e.cnt, e.pos
	for done < n {
		for i := range plan {
			b := &plan[i]
			c := b.c
			v := int(b.diffs[acc>>(64-diffBits)])
			acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
			if v != 0 {
				acc <<= uint(v) & diffLength
				cnt -= uint(v) & diffLength
				v >>= diffValue
			} else {
				var length uint
				if v, length = b.dc.diff(acc); length == 0 {
					e.acc, e.cnt, e.pos = acc, cnt&63, pos
					return done, false
				}
				acc <<= length & 63
				cnt -= length
				acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
			}
			c.pred += v

			// After a difference of at most diffBits bits, or a refill, the
			// reservoir has bits for an entry and for the next index.
			k, walk := uint(1), b.walk
			entry := uint(walk[acc>>(64-walkBits)])
			b.row[b.at] = clamp((c.pred*int(c.deq[0]) + bias) >> fracBits)
			b.at += b.step
			for {
				k += entry >> walkAdvance
				if k < 64 {
					acc <<= entry & walkLength
					cnt -= entry // its upper bits are multiples of 64, which refill ignores
					entry = uint(walk[acc>>(64-walkBits)])
					acc, cnt, pos = refill(&e.buf, acc, cnt, pos)
					k += entry >> walkAdvance
					if k < 64 {
						acc <<= entry & walkLength
						cnt -= entry
						entry = uint(walk[acc>>(64-walkBits)])
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
					return done, false
				}
				acc <<= one & singleLength
				cnt -= one & singleLength
				if k += one >> singleAdvance; k >= 64 {
					break
				}
				entry = uint(walk[acc>>(64-walkBits)])
			}
		}
		done++
		if pos > e.low {
			break
		}
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return done, true
}
