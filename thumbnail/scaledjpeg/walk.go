package scaledjpeg

import "encoding/binary"

const walkBits = 12

const (
	walkSize = 1 << walkBits
	walkMax  = (56 - walkBits) / 2
	walkEnd  = 128
	walkSlow = 256
)

type walkTable [walkSize]uint16

func walkEntry(bits, advance int) uint16 { return uint16(bits | advance<<6) }

// buildWalk fills the many-symbol table.
func (t *huffTable) buildWalk() {
	if t.walk == nil {
		t.walk = new(walkTable)
	}
	w := t.walk
	for i := range w {
		w[i] = walkEntry(0, walkSlow)
	}
	code, k := 0, 0
	for l := 1; l <= walkBits; l++ {
		for range t.counts[l-1] {
			run, size := int(t.vals[k]>>4), int(t.vals[k]&15)
			advance := run + 1
			if size == 0 && run != 15 {
				advance = walkEnd
			}
			if n := l + size; n <= walkMax {
				first := code << (walkBits - l)
				for i := range 1 << (walkBits - l) {
					w[first+i] = walkEntry(n, advance)
				}
			}
			code++
			k++
		}
		code <<= 1
	}
	single := *w
	for i := range w {
		total, advance := int(single[i]&63), int(single[i]>>6)
		for advance < 64 && total < walkBits {
			f := single[i<<total&(walkSize-1)]
			n, a := int(f&63), int(f>>6)
			if a == walkSlow || total+n > walkMax || advance+a&(walkEnd-1) > 63 || !t.known(i, total) {
				break
			}
			total += n
			advance += a
		}
		w[i] = walkEntry(total, advance)
	}
	t.walked = true
}

// known reports whether the bits of index i behind the first used ones hold a
// whole code.
func (t *huffTable) known(i, used int) bool {
	rest := i << used & (walkSize - 1)
	_, l := t.slow(uint64(rest) << (64 - walkBits))
	return l > 0 && used+l <= walkBits
}

// dcEntry: bits 0-4 length of code and magnitude, above them the difference.
func dcEntry(bits, diff int) int16 { return int16(bits | diff<<5) }

const dcBits = 10

type dcTable [1 << dcBits]int16

func (t *huffTable) buildDC() {
	if t.diffs == nil {
		t.diffs = new(dcTable)
	}
	for i := range t.diffs {
		t.diffs[i] = 0
		acc := uint64(i) << (64 - dcBits)
		v, l := t.slow(acc)
		if l == 0 || l+int(v) > dcBits || v > 10 {
			continue
		}
		t.diffs[i] = dcEntry(l+int(v), magnitude(acc<<l, uint(v)))
	}
	t.diffed = true
}

type walkBlock struct {
	dc   *dcTable
	ac   *walkTable
	c    *component
	dst  []byte
	step int
	at   int
	b    *mcuBlock
}

func (d *Decoder) walkLayout(s *scan) {
	for i := range s.plan[:s.blocks] {
		b := &s.plan[i]
		if !d.hdr.Progressive && d.scale > 1 && !b.ac.walked {
			b.ac.buildWalk()
		}
		if !d.hdr.Progressive && d.scale < 8 && !b.ac.paired {
			b.ac.buildPairs()
		}
		if d.hdr.Progressive && s.ss > 0 && !b.ac.coded {
			b.ac.buildCodes()
		}
		if s.ss == 0 && s.ah == 0 && !b.dc.diffed {
			b.dc.buildDC()
		}
	}
}

func (d *Decoder) walkRun(s *scan, mx, my, n int) error {
	e := &d.bits
	plan := d.walks[:s.blocks]
	for i := range plan {
		b := &s.plan[i]
		plan[i] = walkBlock{dc: b.dc.diffs, ac: b.ac.walk, c: b.c, dst: b.c.pix[(my*b.v+b.y)*b.c.stride:][:b.c.stride], step: b.h, at: mx*b.h + b.x, b: b}
	}
	for n > 0 {
		if e.pos > e.low {
			if !e.more(&d.src) {
				return d.overrun()
			}
		}
		m := e.walkMCUs(plan, n)
		if m < 0 {
			return d.badCode()
		}
		n -= m
	}
	if e.pos > e.low && !e.more(&d.src) {
		return d.overrun()
	}
	return nil
}

func (e *entropy) walkMCUs(plan []walkBlock, n int) int {
	acc, cnt, pos := e.acc, e.cnt, e.pos
	done := 0
	for done < n {
		for i := range plan {
			b := &plan[i]
			c := b.c
			v := int(b.dc[acc>>(64-dcBits)])
			acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
			pos += int(^cnt >> 3 & 7)
			cnt |= 56
			if v == 0 {
				var total uint
				v, total = b.b.dc.slowDC(acc)
				if total == 0 {
					return -1
				}
				acc <<= total & 63
				cnt -= total
				acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
				pos += int(^cnt >> 3 & 7)
				cnt |= 56
			} else {
				acc <<= uint(v) & 31
				cnt -= uint(v) & 31
				v >>= 5
			}
			k := uint(1)
			ac := b.ac
			ent := uint(ac[acc>>(64-walkBits)])
			c.pred += v
			b.dst[b.at] = clamp((c.pred*int(c.deq[0]) + bias) >> fracBits)
			b.at += b.step
			for {
				k += ent >> 6
				if k >= 64 {
					if k-walkEnd-1 >= 63 && k != 64 {
						k -= ent >> 6
						goto one
					}
					acc <<= ent & 63
					cnt -= ent
					break
				}
				acc <<= ent & 63
				cnt -= ent
				ent = uint(ac[acc>>(64-walkBits)])
				acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
				pos += int(^cnt >> 3 & 7)
				cnt |= 56
				k += ent >> 6
				if k >= 64 {
					if k-walkEnd-1 >= 63 && k != 64 {
						k -= ent >> 6
						goto one
					}
					acc <<= ent & 63
					cnt -= ent
					break
				}
				acc <<= ent & 63
				cnt -= ent
				ent = uint(ac[acc>>(64-walkBits)])
				continue
			one:
				acc |= binary.BigEndian.Uint64(e.buf[pos&(chunkSize-1):]) >> (cnt & 63)
				pos += int(^cnt >> 3 & 7)
				cnt |= 56
				one := b.b.ac.oneAC(acc)
				if one == 0 {
					return -1
				}
				acc <<= one & lutLen
				cnt -= uint(one & lutLen)
				k += uint(one >> lutAdvance)
				if k >= 64 {
					break
				}
				ent = uint(ac[acc>>(64-walkBits)])
			}
		}
		done++
		if pos > e.low {
			break
		}
	}
	e.acc, e.cnt, e.pos = acc, cnt&63, pos
	return done
}

// slowDC decodes a difference by its code.
//
//go:noinline
func (t *huffTable) slowDC(acc uint64) (diff int, bits uint) {
	size, l := t.slow(acc)
	if l == 0 {
		return 0, 0
	}
	return magnitude(acc<<l, uint(size)), uint(l) + uint(size)
}

//go:noinline
func (t *huffTable) oneAC(acc uint64) uint16 {
	sym, length := t.slow(acc)
	if length == 0 {
		return 0
	}
	return symbolEntry(sym, length)
}
