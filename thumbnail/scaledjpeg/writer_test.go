package scaledjpeg

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// picture is a JPEG as its coefficients: what a test writes, and what the
// decoder's samples are checked against.
type picture struct {
	w, h    int
	comps   []pictureComp
	quant   [4][64]uint16 // zig-zag order
	model   ColorModel
	restart int     // MCUs between restart markers
	loose   float64 // how much more than usual samples may be off
	// low, where it is not nil, is the lowest bit that a decoder has read of
	// zig-zag index k of component i.
	low func(i, k int) int
}

type pictureComp struct {
	id     byte
	h, v   int
	tq     byte
	pw, ph int // blocks, padded to whole MCUs
	bw, bh int // blocks with samples
	coef   [][64]int32
}

func (p *picture) max() (hmax, vmax int) {
	for _, c := range p.comps {
		hmax, vmax = max(hmax, c.h), max(vmax, c.v)
	}
	return hmax, vmax
}

// sampling444 and so on are factors for all components of a picture.
var (
	samplingGray = [][2]int{{1, 1}}
	sampling444  = [][2]int{{1, 1}, {1, 1}, {1, 1}}
	sampling420  = [][2]int{{2, 2}, {1, 1}, {1, 1}}
)

// newPicture draws something with flat parts, gradients, edges and noise. The
// same arguments give the same picture.
func newPicture(w, h int, sampling [][2]int, seed uint64) *picture {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &picture{w: w, h: h}
	switch len(sampling) {
	case 1:
		p.model = Gray
	case 3:
		p.model = YCbCr
	case 4:
		p.model = CMYK
	}
	scale := 1 + r.IntN(12)
	for t := range p.quant {
		for k := range 64 {
			p.quant[t][k] = uint16(1 + r.IntN(1+k/4) + scale)
		}
	}
	for i, s := range sampling {
		p.comps = append(p.comps, pictureComp{id: byte(i + 1), h: s[0], v: s[1], tq: byte(min(i, 1))})
	}
	hmax, vmax := p.max()
	for i := range p.comps {
		c := &p.comps[i]
		c.pw, c.ph = ceilDiv(w, 8*hmax)*c.h, ceilDiv(h, 8*vmax)*c.v
		c.bw, c.bh = ceilDiv(ceilDiv(w*c.h, hmax), 8), ceilDiv(ceilDiv(h*c.v, vmax), 8)
		c.coef = make([][64]int32, c.pw*c.ph)
		base, noise := 40+r.Float64()*170, r.Float64()*60
		fx, fy := r.Float64()*.2, r.Float64()*.2
		for b := range c.coef {
			var block [64]float64
			for j := range block {
				x, y := float64(b%c.pw*8+j%8), float64(b/c.pw*8+j/8)
				v := base + 40*math.Sin(fx*x) + 30*math.Cos(fy*y)
				if b%3 == 1 {
					v += noise * (r.Float64() - .5)
				}
				if b%5 == 2 && x > y {
					v += 90
				}
				block[j] = min(max(v, 0), 255) - 128
			}
			forwardDCT(&block)
			for k, z := range zigzag {
				c.coef[b][z] = int32(math.Round(block[z] / float64(p.quant[c.tq][k])))
			}
		}
	}
	return p
}

// cosines[u][x] is the orthonormal basis of the 8-point DCT.
var cosines = func() (t [8][8]float64) {
	for u := range 8 {
		for x := range 8 {
			t[u][x] = math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) / 2
			if u == 0 {
				t[u][x] = math.Sqrt(1. / 8)
			}
		}
	}
	return t
}()

// forwardDCT is the transform as it is defined, one dimension at a time.
func forwardDCT(b *[64]float64) {
	var t [64]float64
	for y := range 8 {
		for u := range 8 {
			for x := range 8 {
				t[8*y+u] += b[8*y+x] * cosines[u][x]
			}
		}
	}
	*b = [64]float64{}
	for v := range 8 {
		for u := range 8 {
			for y := range 8 {
				b[8*v+u] += t[8*y+u] * cosines[v][y]
			}
		}
	}
}

// inverseDCT is the transform as it is defined.
func inverseDCT(b *[64]float64) {
	var t [64]float64
	for v := range 8 {
		for x := range 8 {
			for u := range 8 {
				t[8*v+x] += b[8*v+u] * cosines[u][x]
			}
		}
	}
	*b = [64]float64{}
	for y := range 8 {
		for x := range 8 {
			for v := range 8 {
				b[8*y+x] += t[8*v+x] * cosines[v][y]
			}
		}
	}
}

// boxResponse is how averaging scale samples damps frequency u of 8 samples,
// by its definition: average the wave, and compare the first values.
func boxResponse(u, scale int) float64 {
	wave := func(x float64) float64 { return math.Cos((2*x + 1) * float64(u) * math.Pi / 16) }
	sum := 0.0
	for x := range scale {
		sum += wave(float64(x)) / float64(scale)
	}
	// The average lies in the middle of its samples.
	return sum / wave(float64(scale-1)/2)
}

// undamped undoes three quarters, in powers, of what averaging will damp.
var undamped = func() (t [9][64]float64) {
	for _, scale := range []int{1, 2, 4, 8} {
		for z := range 64 {
			t[scale][z] = math.Pow(boxResponse(z%8, scale)*boxResponse(z/8, scale), -.75)
		}
	}
	return t
}()

// reduce is what a block must look like at 1/scale, the slow way: drop what
// the scale drops, undo three quarters of what averaging will damp, transform
// in full, average boxes.
func reduce(coef *[64]float64, scale int) []float64 {
	n := 8 / scale
	b := *coef
	for z := range b {
		u, v := z%8, z/8
		if u >= n || v >= n {
			b[z] = 0
			continue
		}
		b[z] *= undamped[scale][z]
	}
	inverseDCT(&b)
	out := make([]float64, n*n)
	for j, v := range b {
		out[j/8/scale*n+j%8/scale] += v / float64(scale*scale)
	}
	for j := range out {
		out[j] = min(max(out[j]+128, 0), 255)
	}
	return out
}

// plane is component i at 1/scale, width by height of whole blocks.
func (p *picture) plane(i, scale int) (pix []float64, stride int) {
	c := &p.comps[i]
	n := 8 / scale
	stride = c.pw * n
	pix = make([]float64, c.pw*c.ph*n*n)
	for b := range c.coef {
		var f [64]float64
		for k, z := range zigzag {
			f[z] = p.known(i, k, c.coef[b][z]) * float64(p.quant[c.tq][k])
		}
		for j, v := range reduce(&f, scale) {
			pix[(b/c.pw*n+j/n)*stride+b%c.pw*n+j%n] = v
		}
	}
	return pix, stride
}

// known is what a decoder must make of value v at zig-zag index k of component
// i: the middle of what it can be after the bits that were read.
func (p *picture) known(i, k int, v int32) float64 {
	if p.low == nil {
		return float64(v)
	}
	l := p.low(i, k)
	middle := float64(int(1)<<l-1) / 2
	mag := float64(max(v, -v) >> l << l)
	switch {
	case k == 0: // DC is shifted, AC is divided
		return float64(v>>l<<l) + middle
	case mag == 0:
		return 0
	case v < 0:
		return -mag - middle
	}
	return mag + middle
}

// scanSpec asks for one scan.
type scanSpec struct {
	comps          []int
	ss, se, ah, al int
}

// scripts of scans. A nil script is one interleaved sequential scan.
var (
	scriptApart = []scanSpec{{comps: []int{0}, se: 63}, {comps: []int{1}, se: 63}, {comps: []int{2}, se: 63}}
	scriptPair  = []scanSpec{{comps: []int{0}, se: 63}, {comps: []int{1, 2}, se: 63}}
	// scriptUsual is what most encoders write.
	scriptUsual = []scanSpec{
		{[]int{0, 1, 2}, 0, 0, 0, 1},
		{[]int{0}, 1, 5, 0, 2},
		{[]int{2}, 1, 63, 0, 1},
		{[]int{1}, 1, 63, 0, 1},
		{[]int{0}, 6, 63, 0, 2},
		{[]int{0}, 1, 63, 2, 1},
		{[]int{0, 1, 2}, 0, 0, 1, 0},
		{[]int{2}, 1, 63, 1, 0},
		{[]int{1}, 1, 63, 1, 0},
		{[]int{0}, 1, 63, 1, 0},
	}
	// scriptSpectral has no successive approximation, and AC before the last
	// DC.
	scriptSpectral = []scanSpec{
		{[]int{1}, 0, 0, 0, 0},
		{[]int{1}, 1, 63, 0, 0},
		{[]int{0, 2}, 0, 0, 0, 0},
		{[]int{2}, 1, 2, 0, 0},
		{[]int{0}, 3, 20, 0, 0},
		{[]int{2}, 3, 63, 0, 0},
		{[]int{0}, 1, 2, 0, 0},
		{[]int{0}, 21, 63, 0, 0},
	}
	// scriptDeep refines again and again.
	scriptDeep = []scanSpec{
		{[]int{0, 1, 2}, 0, 0, 0, 3},
		{[]int{0}, 1, 63, 0, 4},
		{[]int{0}, 1, 63, 4, 3},
		{[]int{0, 1, 2}, 0, 0, 3, 2},
		{[]int{0}, 1, 63, 3, 2},
		{[]int{0, 1, 2}, 0, 0, 2, 1},
		{[]int{0}, 1, 63, 2, 1},
		{[]int{0}, 1, 63, 1, 0},
		{[]int{1}, 1, 63, 0, 0},
		{[]int{2}, 1, 63, 0, 0},
		{[]int{0, 1, 2}, 0, 0, 1, 0},
	}
)

// writeOptions bend the file.
type writeOptions struct {
	progressive bool
	script      []scanSpec
	adobe       int    // APP14 transform + 1; 0 writes none
	jfif        bool   // APP0
	extra       []byte // segments after SOI
	dnl         bool   // the height comes after the first scan
	wideDQT     bool   // 16-bit quantisation tables
	extended    bool   // SOF1
	fill        int    // fill bytes before each marker
}

// writer writes one file. Tables are made for each scan from what it codes,
// and defined before it, so every scan redefines tables.
type writer struct {
	p    *picture
	o    writeOptions
	out  bytes.Buffer
	acc  uint64
	n    uint
	freq [2][4]map[byte]int // nil codes are counted, not written
	code [2][4]map[byte]huffCode
	// progressive AC state
	eobrun  int
	pending []byte // correction bits that follow the run's code
	comp    int
}

type huffCode struct {
	bits uint32
	n    uint
}

func (p *picture) encode(o writeOptions) []byte {
	w := &writer{p: p, o: o}
	if w.o.script == nil {
		all := scanSpec{se: 63}
		for i := range p.comps {
			all.comps = append(all.comps, i)
		}
		w.o.script = []scanSpec{all}
	}
	w.out.Write([]byte{0xff, mSOI})
	if o.jfif {
		w.segment(mAPP0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	}
	w.out.Write(o.extra)
	if o.adobe > 0 {
		w.segment(mAPPE, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), byte(o.adobe-1)))
	}
	for t := range 2 {
		var b []byte
		if o.wideDQT {
			b = append(b, 0x10|byte(t))
		} else {
			b = append(b, byte(t))
		}
		for _, q := range p.quant[t] {
			if o.wideDQT {
				b = append(b, byte(q>>8))
			}
			b = append(b, byte(q))
		}
		w.segment(mDQT, b)
	}
	h := p.h
	if o.dnl {
		h = 0
	}
	sof := []byte{8, byte(h >> 8), byte(h), byte(p.w >> 8), byte(p.w), byte(len(p.comps))}
	for _, c := range p.comps {
		sof = append(sof, c.id, byte(c.h<<4|c.v), c.tq)
	}
	switch {
	case o.progressive:
		w.segment(mSOF2, sof)
	case o.extended:
		w.segment(mSOF1, sof)
	default:
		w.segment(mSOF0, sof)
	}
	if p.restart > 0 {
		w.segment(mDRI, []byte{byte(p.restart >> 8), byte(p.restart)})
	}
	for i, s := range w.o.script {
		w.scan(s)
		if i == 0 && o.dnl {
			w.segment(mDNL, []byte{byte(p.h >> 8), byte(p.h)})
		}
	}
	w.marker(mEOI)
	return w.out.Bytes()
}

func (w *writer) marker(m byte) {
	for range w.o.fill {
		w.out.WriteByte(0xff)
	}
	w.out.Write([]byte{0xff, m})
}

func (w *writer) segment(m byte, b []byte) {
	w.marker(m)
	n := len(b) + 2
	w.out.Write([]byte{byte(n >> 8), byte(n)})
	w.out.Write(b)
}

// scan counts the symbols, makes tables, then writes.
func (w *writer) scan(s scanSpec) {
	for class := range 2 {
		for t := range 2 {
			w.freq[class][t] = map[byte]int{}
			w.code[class][t] = nil
		}
	}
	mark := w.out.Len()
	w.scanData(s, true)
	w.out.Truncate(mark)
	for class := range 2 {
		for t := range 2 {
			if len(w.freq[class][t]) == 0 {
				continue
			}
			counts, vals, code := huffmanFor(w.freq[class][t])
			w.code[class][t] = code
			w.segment(mDHT, append(append([]byte{byte(class<<4 | t)}, counts[:]...), vals...))
		}
	}
	w.scanData(s, false)
}

func (w *writer) scanData(s scanSpec, counting bool) {
	w.acc, w.n, w.eobrun, w.pending = 0, 0, 0, nil
	if !counting {
		b := []byte{byte(len(s.comps))}
		for _, i := range s.comps {
			t := byte(min(i, 1))
			b = append(b, w.p.comps[i].id, t<<4|t)
		}
		w.segment(mSOS, append(b, byte(s.ss), byte(s.se), byte(s.ah<<4|s.al)))
	}
	hmax, vmax := w.p.max()
	mx, my := ceilDiv(w.p.w, 8*hmax), ceilDiv(w.p.h, 8*vmax)
	if len(s.comps) == 1 {
		mx, my = w.p.comps[s.comps[0]].bw, w.p.comps[s.comps[0]].bh
	}
	var pred [4]int32
	for m := range mx * my {
		if r := w.p.restart; r > 0 && m > 0 && m%r == 0 {
			w.flushRun()
			w.pad()
			w.out.Write([]byte{0xff, mRST0 + byte((m/r-1)&7)})
			pred = [4]int32{}
		}
		for _, i := range s.comps {
			c := &w.p.comps[i]
			h, v := c.h, c.v
			if len(s.comps) == 1 {
				h, v = 1, 1
			}
			w.comp = min(i, 1)
			for j := range h * v {
				at := (m/mx*v+j/h)*c.pw + m%mx*h + j%h
				w.block(s, &c.coef[at], &pred[i])
			}
		}
	}
	w.flushRun()
	w.pad()
}

func (w *writer) block(s scanSpec, coef *[64]int32, pred *int32) {
	switch {
	case !w.o.progressive:
		w.dc(coef[0], pred)
		w.ac(1, 63, 0, coef)
	case s.ss == 0 && s.ah == 0:
		w.dc(coef[0]>>s.al, pred)
	case s.ss == 0:
		w.bits(uint32(coef[0]>>s.al)&1, 1)
	case s.ah == 0:
		w.ac(s.ss, s.se, s.al, coef)
	default:
		w.refineAC(s, coef)
	}
}

func (w *writer) dc(v int32, pred *int32) {
	diff := v - *pred
	*pred = v
	n := uint(bits.Len32(uint32(max(diff, -diff))))
	w.symbol(0, byte(n))
	if diff < 0 {
		diff--
	}
	w.bits(uint32(diff), n)
}

// ac codes a band for the first time. Sequential blocks end with EOB,
// progressive ones join a run of them.
func (w *writer) ac(ss, se, al int, coef *[64]int32) {
	run := 0
	for k := ss; k <= se; k++ {
		v := coef[zigzag[k]]
		mag := uint32(max(v, -v)) >> al
		if mag == 0 {
			run++
			continue
		}
		w.flushRun()
		for ; run > 15; run -= 16 {
			w.symbol(1, 0xf0)
		}
		n := uint(bits.Len32(mag))
		w.symbol(1, byte(run<<4)|byte(n))
		if v < 0 {
			mag = ^mag
		}
		w.bits(mag, n)
		run = 0
	}
	if run > 0 {
		if !w.o.progressive {
			w.symbol(1, 0)
			return
		}
		w.endOfBand(nil)
	}
}

// refineAC codes one more bit of a band (T.81, G.1.2.3).
func (w *writer) refineAC(s scanSpec, coef *[64]int32) {
	last := s.ss - 1 // the last coefficient that becomes nonzero now
	for k := s.ss; k <= s.se; k++ {
		v := coef[zigzag[k]]
		if uint32(max(v, -v))>>s.al == 1 {
			last = k
		}
	}
	run := 0
	var correction []byte
	flush := func() {
		for _, b := range correction {
			w.bits(uint32(b), 1)
		}
		correction = nil
	}
	for k := s.ss; k <= s.se; k++ {
		v := coef[zigzag[k]]
		mag := uint32(max(v, -v)) >> s.al
		switch {
		case mag == 0:
			run++
			if run == 16 && k < last {
				w.flushRun()
				w.symbol(1, 0xf0)
				flush()
				run = 0
			}
		case mag > 1:
			correction = append(correction, byte(mag&1))
		default:
			w.flushRun()
			w.symbol(1, byte(run<<4)|1)
			sign := uint32(1)
			if v < 0 {
				sign = 0
			}
			w.bits(sign, 1)
			flush()
			run = 0
		}
	}
	if run > 0 || len(correction) > 0 {
		w.endOfBand(correction)
	}
}

func (w *writer) endOfBand(correction []byte) {
	w.eobrun++
	w.pending = append(w.pending, correction...)
	if w.eobrun == 0x7fff || len(w.pending) > 900 {
		w.flushRun()
	}
}

func (w *writer) flushRun() {
	if w.eobrun == 0 {
		return
	}
	n := uint(bits.Len(uint(w.eobrun)) - 1)
	w.symbol(1, byte(n<<4))
	w.bits(uint32(w.eobrun), n)
	w.eobrun = 0
	for _, b := range w.pending {
		w.bits(uint32(b), 1)
	}
	w.pending = nil
}

func (w *writer) symbol(class int, s byte) {
	if w.code[class][w.comp] == nil {
		w.freq[class][w.comp][s]++
		return
	}
	c, ok := w.code[class][w.comp][s]
	if !ok {
		panic(fmt.Sprintf("symbol %#x has no code", s))
	}
	w.bits(c.bits, c.n)
}

func (w *writer) bits(v uint32, n uint) {
	w.acc = w.acc<<n | uint64(v)&(1<<n-1)
	w.n += n
	for w.n >= 8 {
		b := byte(w.acc >> (w.n - 8))
		w.out.WriteByte(b)
		if b == 0xff {
			w.out.WriteByte(0)
		}
		w.n -= 8
	}
}

func (w *writer) pad() {
	if w.n > 0 {
		w.bits(0x7f, 8-w.n)
	}
	w.acc, w.n = 0, 0
}

// huffmanFor makes an optimal table of at most 16 bits, without the code of
// all ones (T.81, K.2).
func huffmanFor(freq map[byte]int) (counts [16]byte, vals []byte, code map[byte]huffCode) {
	const reserved = 256
	var f [257]int
	for s, n := range freq {
		f[s] = n
	}
	f[reserved] = 1
	var size, next [257]int
	for i := range next {
		next[i] = -1
	}
	for {
		a, b := -1, -1 // the two rarest, the later first
		for i := range f {
			switch {
			case f[i] == 0:
			case a < 0 || f[i] <= f[a]:
				a, b = i, a
			case b < 0 || f[i] <= f[b]:
				b = i
			}
		}
		if b < 0 {
			break
		}
		f[a] += f[b]
		f[b] = 0
		size[a]++
		for next[a] >= 0 {
			a = next[a]
			size[a]++
		}
		next[a] = b
		for size[b]++; next[b] >= 0; size[b]++ {
			b = next[b]
		}
	}
	var n [258]int
	for _, l := range size {
		n[l]++
	}
	n[0] = 0
	for l := 257; l > 16; l-- {
		for n[l] > 0 {
			j := l - 2
			for n[j] == 0 {
				j--
			}
			n[l] -= 2
			n[l-1]++
			n[j+1] += 2
			n[j]--
		}
	}
	l := 16
	for n[l] == 0 {
		l--
	}
	n[l]-- // the reserved code
	for l := 1; l <= 257; l++ {
		for s := range 256 {
			if size[s] == l {
				vals = append(vals, byte(s))
			}
		}
	}
	code = map[byte]huffCode{}
	c, i := uint32(0), 0
	for l := 1; l <= 16; l++ {
		counts[l-1] = byte(n[l])
		for range n[l] {
			code[vals[i]] = huffCode{c, uint(l)}
			c++
			i++
		}
		c <<= 1
	}
	return counts, vals, code
}
