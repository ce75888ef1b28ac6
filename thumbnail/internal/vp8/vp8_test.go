package vp8

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/vp8"

	"sluice/thumbnail/internal/raster"
)

// boolWriter is the encoder of RFC 6386, section 7.3.
type boolWriter struct {
	out    []byte
	span   uint32
	bottom uint32
	count  int
}

func newBoolWriter() *boolWriter { return &boolWriter{span: 255, count: 24} }

func (w *boolWriter) carry() {
	i := len(w.out) - 1
	for ; w.out[i] == 255; i-- {
		w.out[i] = 0
	}
	w.out[i]++
}

func (w *boolWriter) bit(prob uint8, v uint32) {
	split := 1 + (w.span-1)*uint32(prob)>>8
	if v == 1 {
		w.bottom += split
		w.span -= split
		if w.bottom < split { // the sum is kept in 32 bits
			w.carry()
		}
	} else {
		w.span = split
	}
	for w.span < 128 {
		w.span <<= 1
		if w.bottom&(1<<31) != 0 {
			w.carry()
		}
		w.bottom <<= 1
		w.count--
		if w.count == 0 {
			w.out = append(w.out, byte(w.bottom>>24))
			w.bottom &= 1<<24 - 1
			w.count = 8
		}
	}
}

func (w *boolWriter) number(n, v int) {
	for i := n - 1; i >= 0; i-- {
		w.bit(128, uint32(v>>i&1))
	}
}

func (w *boolWriter) optional(n, v int) {
	if v == 0 {
		w.number(1, 0)
		return
	}
	w.number(1, 1)
	w.number(n, max(v, -v))
	w.number(1, map[bool]int{true: 1}[v < 0])
}

func (w *boolWriter) bytes() []byte {
	for range 40 {
		w.bit(128, 0)
	}
	return w.out
}

// randomFrame writes a frame of random modes and coefficients with the loop
// filter off. It chooses the tokens by their trees, so every branch is taken;
// what the picture shows does not matter.
func randomFrame(rng *rand.Rand, w, h, partitions int) []byte {
	b := newBoolWriter()
	yes := func(oneIn int) uint32 { return map[bool]uint32{true: 1}[rng.IntN(oneIn) == 0] }
	b.number(2, 0)
	segmented, mapped := yes(2), yes(2)
	b.bit(128, segmented)
	if segmented == 1 {
		b.bit(128, mapped)
		b.number(1, 1)
		b.bit(128, yes(2))
		for range 4 {
			b.optional(7, rng.IntN(40))
		}
		for range 4 {
			b.optional(6, rng.IntN(3)-1)
		}
		if mapped == 1 {
			for range 3 {
				b.number(1, 1)
				b.number(8, 100)
			}
		}
	}
	b.number(10, 0) // no filter
	b.number(1, 1)
	b.number(1, 1)
	for range 8 {
		b.optional(6, rng.IntN(9)-4)
	}
	b.number(2, partitions)
	b.number(7, rng.IntN(60))
	for range 5 {
		b.optional(4, rng.IntN(9)-4)
	}
	b.number(1, 0)
	probs := defaultProbs
	for t := range probs {
		for band := range probs[t] {
			for ctx := range probs[t][band] {
				for i := range probs[t][band][ctx] {
					change := yes(20)
					b.bit(tokenUpdates[t][band][ctx][i], change)
					if change == 1 {
						probs[t][band][ctx][i] = uint8(1 + rng.IntN(255))
						b.number(8, int(probs[t][band][ctx][i]))
					}
				}
			}
		}
	}
	b.number(1, 1)
	b.number(8, 120)

	unitsX, unitsY := (w+15)/16, (h+15)/16
	tokens := make([]*boolWriter, 1<<partitions)
	for i := range tokens {
		tokens[i] = newBoolWriter()
	}
	above := make([]neighbour, unitsX)
	for y := range unitsY {
		var left neighbour
		for x := range unitsX {
			c := blockWriter{rng: rng, head: b, tokens: tokens[y%len(tokens)], probs: &probs, above: &above[x], left: &left}
			c.macroblock(segmented == 1 && mapped == 1)
		}
	}
	first := b.bytes()
	n := len(first)
	out := []byte{byte(n<<5) | 0x10, byte(n >> 3), byte(n >> 11), 0x9d, 0x01, 0x2a, byte(w), byte(w >> 8), byte(h), byte(h >> 8)}
	out = append(out, first...)
	var data []byte
	for i, t := range tokens {
		part := t.bytes()
		if i < len(tokens)-1 {
			out = append(out, byte(len(part)), byte(len(part)>>8), byte(len(part)>>16))
		}
		data = append(data, part...)
	}
	return append(out, data...)
}

type blockWriter struct {
	rng          *rand.Rand
	head, tokens *boolWriter
	probs        *tokenProbs
	above, left  *neighbour
}

func (c *blockWriter) coin(b *boolWriter, prob uint8) uint32 {
	v := uint32(c.rng.IntN(2))
	b.bit(prob, v)
	return v
}

func (c *blockWriter) macroblock(mapped bool) {
	b := c.head
	if mapped {
		c.coin(b, 100)
		c.coin(b, 100)
	}
	skip := c.coin(b, 120) == 1
	whole := c.coin(b, 145) == 1
	if whole {
		var mode uint8
		if c.coin(b, 156) == 0 {
			mode = [2]uint8{dcMode, verticalMode}[c.coin(b, 163)]
		} else {
			mode = [2]uint8{horizontalMode, trueMode}[c.coin(b, 128)]
		}
		for i := range 4 {
			c.above.modes[i], c.left.modes[i] = mode, mode
		}
	} else {
		for y := range 4 {
			for x := range 4 {
				mode := c.mode(&modeProbs[c.above.modes[x]][c.left.modes[y]])
				c.above.modes[x], c.left.modes[y] = mode, mode
			}
		}
	}
	if c.coin(b, 142) == 1 && c.coin(b, 114) == 1 {
		c.coin(b, 183)
	}
	if skip {
		y2a, y2l := c.above.y2, c.left.y2
		*c.above, *c.left = neighbour{modes: c.above.modes}, neighbour{modes: c.left.modes}
		if !whole {
			c.above.y2, c.left.y2 = y2a, y2l
		}
		return
	}
	kind, first := lumaBlock, 0
	if whole {
		kind, first = lumaWithoutDC, 1
		v := c.block(dcBlock, c.above.y2+c.left.y2, 0)
		c.above.y2, c.left.y2 = v, v
	}
	for i := range 16 {
		v := c.block(kind, c.above.luma[i%4]+c.left.luma[i/4], first)
		c.above.luma[i%4], c.left.luma[i/4] = v, v
	}
	for i := range 8 {
		a, l := &c.above.chroma[i/4][i%2], &c.left.chroma[i/4][i/2%2]
		v := c.block(chromaBlock, *a+*l, 0)
		*a, *l = v, v
	}
}

func (c *blockWriter) mode(p *[9]uint8) uint8 {
	b := c.head
	switch {
	case c.coin(b, p[0]) == 0:
		return dcMode
	case c.coin(b, p[1]) == 0:
		return trueMode
	case c.coin(b, p[2]) == 0:
		return verticalMode
	case c.coin(b, p[3]) == 0:
		if c.coin(b, p[4]) == 0 {
			return horizontalMode
		}
		return [2]uint8{rightDownMode, verticalRightMode}[c.coin(b, p[5])]
	case c.coin(b, p[6]) == 0:
		return leftDownMode
	case c.coin(b, p[7]) == 0:
		return verticalLeftMode
	}
	return [2]uint8{horizontalDownMode, horizontalUpMode}[c.coin(b, p[8])]
}

// block writes random tokens and reports whether there were any. Large values
// are rare, so that not all samples are clipped.
func (c *blockWriter) block(kind int, context uint8, first int) uint8 {
	b, i := c.tokens, first
	p := &c.probs[kind][bandOf[i]][context]
	if c.coin(b, p[0]) == 0 {
		return 0
	}
	for {
		for v := c.coin(b, p[1]); v == 0; v = c.coin(b, p[1]) {
			i++
			if i == 16 {
				return 1
			}
			p = &c.probs[kind][bandOf[i]][0]
		}
		next := 1
		if c.rng.IntN(3) > 0 {
			b.bit(p[2], 0)
		} else {
			b.bit(p[2], 1)
			next = 2
			c.large(b, p)
		}
		c.coin(b, 128)
		i++
		if i == 16 {
			return 1
		}
		p = &c.probs[kind][bandOf[i]][next]
		if c.coin(b, p[0]) == 0 {
			return 1
		}
	}
}

func (c *blockWriter) large(b *boolWriter, p *[11]uint8) {
	if c.coin(b, p[3]) == 0 {
		if c.coin(b, p[4]) == 1 {
			c.coin(b, p[5])
		}
		return
	}
	kind := uint32(0)
	if c.coin(b, p[6]) == 0 {
		kind = c.coin(b, p[7])
	} else {
		high := c.coin(b, p[8])
		kind = 2 + 2*high + c.coin(b, p[9+high])
	}
	for i, prob := range largeValues[kind].probs {
		if i < 5 && kind == 5 {
			b.bit(prob, 0)
			continue
		}
		c.coin(b, prob)
	}
}

// planesOf decodes at full size.
func planesOf(data []byte) ([]raster.Plane, error) {
	p, err := New(data, 1)
	if err != nil {
		return nil, err
	}
	r, err := p.Decode()
	if err != nil {
		return nil, err
	}
	return r.Planes, nil
}

// checkPlane compares a plane with what another decoder gives.
func checkPlane(t *testing.T, what string, p *raster.Plane, want func(x, y int) byte) {
	t.Helper()
	for y := range p.H {
		for x := range p.W {
			if got := p.Row(y)[x]; got != want(x, y) {
				t.Fatalf("%s: at %d,%d got %d, want %d", what, x, y, got, want(x, y))
			}
		}
	}
}

func TestFramesMatchAReferenceDecoder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 386))
	for range 60 {
		w, h, partitions := 1+rng.IntN(90), 1+rng.IntN(90), rng.IntN(4)
		data := randomFrame(rng, w, h, partitions)
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(data), len(data))
		if _, err := d.DecodeFrameHeader(); err != nil {
			t.Fatal(err)
		}
		want, err := d.DecodeFrame()
		if err != nil {
			t.Fatalf("the test's own frame of %dx%d: %v", w, h, err)
		}
		got, err := planesOf(data)
		if err != nil {
			t.Fatalf("%dx%d: %v", w, h, err)
		}
		check := func(name string, p *raster.Plane, pix []byte, stride int, levels *[256]uint8) {
			checkPlane(t, fmt.Sprintf("%s of %dx%d, %d partitions", name, w, h, 1<<partitions), p, func(x, y int) byte {
				return levels[pix[y*stride+x]]
			})
		}
		check("luma", &got[0], want.Y, want.YStride, &LumaLevels)
		check("cb", &got[1], want.Cb, want.CStride, &ChromaLevels)
		check("cr", &got[2], want.Cr, want.CStride, &ChromaLevels)
	}
}

func FuzzVP8(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 4 {
		f.Add(randomFrame(rng, 20+i*7, 30-i*5, i))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := New(data, 2)
		if err != nil || p.w*p.h > 1<<16 {
			return
		}
		if _, err := p.Decode(); err != nil {
			return
		}
	})
}
