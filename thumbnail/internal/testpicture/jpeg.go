package testpicture

import (
	"encoding/binary"
	"image"
	"math"
	"math/bits"
)

// JPEGOptions says how [JPEG] writes a picture.
type JPEGOptions struct {
	Quality     int // 1 to 100, as libjpeg counts; 0 is 90
	Progressive bool
	Orientation int    // EXIF's, 1 to 8; 0 writes no EXIF
	Profile     []byte // ICC, at most 64 KB; nil for none
}

// JPEG encodes a picture with the standard's example Huffman tables. The
// sampling is the picture's: 4:4:4 or 4:2:0. A progressive picture has the ten
// scans of libjpeg's default script.
func JPEG(img *image.YCbCr, o JPEGOptions) []byte {
	if o.Quality == 0 {
		o.Quality = 90
	}
	e := &jpegEncoder{out: []byte{0xff, 0xd8}}
	e.segment(0xe0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	if o.Orientation > 0 {
		e.segment(0xe1, append([]byte("Exif\x00\x00"), EXIF(o.Orientation, binary.BigEndian)...))
	}
	if o.Profile != nil {
		e.segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), o.Profile...))
	}
	e.components(img, o.Quality)
	e.tables(img.Rect.Dx(), img.Rect.Dy(), o.Progressive)
	if !o.Progressive {
		e.scan([]int{0, 1, 2}, 0, 63, 0, 0, e.baseline)
		return append(e.out, 0xff, 0xd9)
	}
	e.scan([]int{0, 1, 2}, 0, 0, 0, 1, e.dcFirst)
	e.scan([]int{0}, 1, 5, 0, 2, e.acFirst)
	e.scan([]int{2}, 1, 63, 0, 1, e.acFirst)
	e.scan([]int{1}, 1, 63, 0, 1, e.acFirst)
	e.scan([]int{0}, 6, 63, 0, 2, e.acFirst)
	e.scan([]int{0}, 1, 63, 2, 1, e.acRefine)
	e.scan([]int{0, 1, 2}, 0, 0, 1, 0, e.dcRefine)
	e.scan([]int{2}, 1, 63, 1, 0, e.acRefine)
	e.scan([]int{1}, 1, 63, 1, 0, e.acRefine)
	e.scan([]int{0}, 1, 63, 1, 0, e.acRefine)
	return append(e.out, 0xff, 0xd9)
}

// jpegEncoder holds the quantised coefficients and writes them scan by scan.
type jpegEncoder struct {
	out    []byte
	acc    uint32
	n      int
	units  image.Point // MCUs
	quant  [2][64]int
	planes [3]jpegPlane
	pred   [3]int
	// first, last, high and low are the scan's parameters.
	first, last, high, low int
}

type jpegPlane struct {
	factor int // blocks of an MCU, in each direction
	size   image.Point
	stride int // blocks of a row, with the padding to whole MCUs
	blocks [][64]int16
}

// zigzag is the order of the coefficients in a block.
var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// exampleQuant are the standard's example tables (ITU-T T.81, K.1 and K.2).
var exampleQuant = [2][64]int{
	{
		16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
	},
	{
		17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
		24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
	},
}

// cosines[u][x] is the orthonormal basis of the 8-point DCT.
var cosines = func() (t [8][8]float32) {
	for u := range 8 {
		for x := range 8 {
			t[u][x] = float32(math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) / 2)
			if u == 0 {
				t[u][x] = float32(math.Sqrt(1. / 8))
			}
		}
	}
	return t
}()

// components transforms and quantises the three planes.
func (e *jpegEncoder) components(img *image.YCbCr, quality int) {
	scale := 200 - 2*quality
	if quality < 50 {
		scale = 5000 / quality
	}
	for t := range e.quant {
		for i, v := range exampleQuant[t] {
			e.quant[t][i] = min(max((v*scale+50)/100, 1), 255)
		}
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	halved := img.SubsampleRatio == image.YCbCrSubsampleRatio420
	unit := 8
	if halved {
		unit = 16
	}
	e.units = image.Pt((w+unit-1)/unit, (h+unit-1)/unit)
	for c, pix := range [3][]byte{img.Y, img.Cb, img.Cr} {
		p, stride, pw, ph := &e.planes[c], img.CStride, w, h
		p.factor = 1
		switch {
		case c == 0:
			stride, p.factor = img.YStride, unit/8
		case halved:
			pw, ph = (w+1)/2, (h+1)/2
		}
		p.size = image.Pt((pw+7)/8, (ph+7)/8)
		p.stride = e.units.X * p.factor
		p.blocks = make([][64]int16, p.stride*e.units.Y*p.factor)
		quant := &e.quant[min(c, 1)]
		for b := range p.blocks {
			var in [64]float32
			for i := range in {
				x, y := min(b%p.stride*8+i%8, pw-1), min(b/p.stride*8+i/8, ph-1)
				in[i] = float32(pix[y*stride+x]) - 128
			}
			forwardDCT(&in)
			for k, z := range zigzag {
				p.blocks[b][k] = int16(math.Round(float64(in[z] / float32(quant[z]))))
			}
		}
	}
}

// forwardDCT is the transform as it is defined, one dimension at a time.
func forwardDCT(b *[64]float32) {
	var t [64]float32
	for y := range 8 {
		row := b[8*y : 8*y+8 : 8*y+8]
		for u := range 8 {
			c := &cosines[u]
			t[8*y+u] = row[0]*c[0] + row[1]*c[1] + row[2]*c[2] + row[3]*c[3] +
				row[4]*c[4] + row[5]*c[5] + row[6]*c[6] + row[7]*c[7]
		}
	}
	for v := range 8 {
		c := &cosines[v]
		for u := range 8 {
			b[8*v+u] = t[u]*c[0] + t[8+u]*c[1] + t[16+u]*c[2] + t[24+u]*c[3] +
				t[32+u]*c[4] + t[40+u]*c[5] + t[48+u]*c[6] + t[56+u]*c[7]
		}
	}
}

func (e *jpegEncoder) segment(marker byte, data []byte) {
	e.out = append(e.out, 0xff, marker, byte((len(data)+2)>>8), byte(len(data)+2))
	e.out = append(e.out, data...)
}

// tables writes the quantisers, the frame and the Huffman tables.
func (e *jpegEncoder) tables(w, h int, progressive bool) {
	var dqt, dht []byte
	for t := range e.quant {
		dqt = append(dqt, byte(t))
		for _, z := range zigzag {
			dqt = append(dqt, byte(e.quant[t][z]))
		}
	}
	e.segment(0xdb, dqt)
	frame := []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 3}
	for c, p := range e.planes {
		frame = append(frame, byte(c+1), byte(p.factor*0x11), byte(min(c, 1)))
	}
	marker := byte(0xc0)
	if progressive {
		marker = 0xc2
	}
	e.segment(marker, frame)
	for i, t := range exampleHuffman {
		dht = append(dht, byte(i%2<<4|i/2))
		dht = append(append(dht, t.counts[:]...), t.symbols...)
	}
	e.segment(0xc4, dht)
}

// scan writes one scan: block for every block of its components, by MCU where
// there are several.
func (e *jpegEncoder) scan(components []int, first, last, high, low int, block func(c int, b *[64]int16)) {
	head := []byte{byte(len(components))}
	for _, c := range components {
		head = append(head, byte(c+1), byte(min(c, 1)*0x11))
	}
	e.segment(0xda, append(head, byte(first), byte(last), byte(high<<4|low)))
	e.pred = [3]int{}
	e.first, e.last, e.high, e.low = first, last, high, low
	if len(components) == 1 {
		p := &e.planes[components[0]]
		for y := range p.size.Y {
			for x := range p.size.X {
				block(components[0], &p.blocks[y*p.stride+x])
			}
		}
	} else {
		for unit := range e.units.X * e.units.Y {
			for _, c := range components {
				p := &e.planes[c]
				for i := range p.factor * p.factor {
					x, y := unit%e.units.X*p.factor+i%p.factor, unit/e.units.X*p.factor+i/p.factor
					block(c, &p.blocks[y*p.stride+x])
				}
			}
		}
	}
	if e.n > 0 {
		e.put(1<<(8-e.n)-1, 8-e.n)
	}
	e.acc, e.n = 0, 0
}

// put appends n bits, at most 16, and writes whole bytes.
func (e *jpegEncoder) put(v uint32, n int) {
	e.acc = e.acc<<n | v&(1<<n-1)
	e.n += n
	for e.n >= 8 {
		e.n -= 8
		b := byte(e.acc >> e.n)
		e.out = append(e.out, b)
		if b == 0xff {
			e.out = append(e.out, 0)
		}
	}
}

func (e *jpegEncoder) symbol(c, class int, s byte) {
	code := &exampleCodes[2*min(c, 1)+class][s]
	e.put(uint32(code.bits), int(code.length))
}

// value writes a symbol of a run and a size, and the value's bits.
func (e *jpegEncoder) value(c, class, run, v int) {
	size := bits.Len(uint(max(v, -v)))
	e.symbol(c, class, byte(run<<4|size))
	if v < 0 {
		v--
	}
	e.put(uint32(v), size)
}

func (e *jpegEncoder) dcFirst(c int, b *[64]int16) {
	v := int(b[0]) >> e.low
	e.value(c, 0, 0, v-e.pred[c])
	e.pred[c] = v
}

func (e *jpegEncoder) dcRefine(_ int, b *[64]int16) { e.put(uint32(b[0])>>e.low&1, 1) }

func (e *jpegEncoder) baseline(c int, b *[64]int16) {
	e.dcFirst(c, b)
	e.first = 1
	e.acFirst(c, b)
}

func (e *jpegEncoder) acFirst(c int, b *[64]int16) {
	run := 0
	for _, coeff := range b[e.first : e.last+1] {
		v := int(coeff)
		if v < 0 {
			v = -(-v >> e.low)
		} else {
			v >>= e.low
		}
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.symbol(c, 1, 0xf0)
		}
		e.value(c, 1, run, v)
		run = 0
	}
	if run > 0 {
		e.symbol(c, 1, 0)
	}
}

// acRefine writes one more bit of each coefficient (ITU-T T.81, G.1.2.3), each
// block with an end of its own.
func (e *jpegEncoder) acRefine(c int, b *[64]int16) {
	end := -1
	var size [64]int
	for k := e.first; k <= e.last; k++ {
		v := int(b[k])
		size[k] = max(v, -v) >> e.low
		if size[k] == 1 {
			end = k
		}
	}
	run := 0
	var corrections []uint32
	flush := func() {
		for _, bit := range corrections {
			e.put(bit, 1)
		}
		corrections = corrections[:0]
	}
	for k := e.first; k <= e.last; k++ {
		if size[k] == 0 {
			run++
			continue
		}
		for ; run > 15 && k <= end; run -= 16 {
			e.symbol(c, 1, 0xf0)
			flush()
		}
		if size[k] > 1 {
			corrections = append(corrections, uint32(size[k]&1))
			continue
		}
		e.symbol(c, 1, byte(run<<4|1))
		sign := uint32(1)
		if b[k] < 0 {
			sign = 0
		}
		e.put(sign, 1)
		flush()
		run = 0
	}
	if run > 0 || len(corrections) > 0 {
		e.symbol(c, 1, 0)
		flush()
	}
}
