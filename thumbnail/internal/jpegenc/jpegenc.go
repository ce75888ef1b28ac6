// Package jpegenc encodes small baseline JPEG pictures.
//
// A block of 8 x 8 samples s becomes the amplitudes of 64 waves,
//
//	S(u,v) = C(u)·C(v)/4 · ΣΣ s(x,y) · cos((2x+1)uπ/16) · cos((2y+1)vπ/16)
//
// with C(0) = 1/√2 and C(k) = 1, each divided by its quantiser's step and
// rounded. The steps are the standard's example tables (ITU-T T.81, K.1 and
// K.2), scaled by quality as libjpeg does. The amplitudes are coded by Huffman
// codes that are optimal for the picture: it is encoded in two passes, which
// makes files about 8 % smaller than the standard's example codes.
package jpegenc

// Picture holds luma, and chroma of the same or half the size, rounded up.
type Picture struct {
	W, H   int
	Planes [][]byte // one, or Y, Cb, Cr; without gaps
	Halved bool     // chroma has half the samples in both directions (4:2:0)
}

// The coefficients' order in a block, from coarse to fine.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// The standard's example tables (ITU-T T.81, K.1 and K.2), which every quality
// scale refers to.
var (
	lumaQuant = [64]uint8{
		16, 11, 10, 16, 24, 40, 51, 61,
		12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56,
		14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77,
		24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101,
		72, 92, 95, 98, 112, 100, 103, 99,
	}
	chromaQuant = [64]uint8{
		17, 18, 24, 47, 99, 99, 99, 99,
		18, 21, 26, 66, 99, 99, 99, 99,
		24, 26, 56, 99, 99, 99, 99, 99,
		47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
	}
)

// quantTable scales a table by quality as libjpeg does.
func quantTable(base *[64]uint8, quality int) (q [64]uint8) {
	scale := 200 - 2*quality
	if quality < 50 {
		scale = 5000 / quality
	}
	for i, v := range base {
		q[i] = uint8(min(max((int(v)*scale+50)/100, 1), 255))
	}
	return q
}

// encoder keeps the coefficients between the two passes, so that the Huffman
// codes fit them.
type encoder struct {
	out    []byte
	acc    uint64
	n      uint // bits in acc
	blocks []codedBlock
}

// codedBlock is a quantised block in zig-zag order, its DC as difference to the
// one before.
type codedBlock struct {
	coeff [64]int16
	last  uint8 // index of the last coefficient that is not zero
	table uint8 // 0 luma, 1 chroma
}

// Encode returns the encoded file.
func Encode(p *Picture, quality int) []byte {
	w := &encoder{}
	quants := [2][64]uint8{quantTable(&lumaQuant, quality), quantTable(&chromaQuant, quality)}
	w.transform(p, &quants)
	var codes [2][2]huffmanCode // by table: DC, AC
	tables := 1
	if len(p.Planes) > 1 {
		tables = 2
	}
	counts := w.count()
	for t := range tables {
		codes[t][0], codes[t][1] = newHuffmanCode(&counts[t][0]), newHuffmanCode(&counts[t][1])
	}
	w.header(p, quants[:tables], codes[:tables])
	w.scan(&codes)
	w.out = append(w.out, 0xff, 0xd9)
	return w.out
}

// transform fills blocks in the order of the scan.
func (w *encoder) transform(p *Picture, quants *[2][64]uint8) {
	var factors [2][64]float32
	for t := range factors {
		factors[t] = dctFactors(&quants[t])
	}
	var dc [3]int16
	block := func(c, bx, by int) {
		pw, ph, table := p.W, p.H, uint8(0)
		if c > 0 {
			table = 1
			if p.Halved {
				pw, ph = (pw+1)/2, (ph+1)/2
			}
		}
		var samples [64]float32
		loadBlock(&samples, p.Planes[c], pw, ph, 8*bx, 8*by)
		forwardDCT(&samples)
		w.blocks = append(w.blocks, codedBlock{table: table})
		b := &w.blocks[len(w.blocks)-1]
		for i, z := range zigzag {
			// Rounded to nearest; the offset keeps the conversion's cutting off
			// away from the sign.
			if v := int16(samples[z]*factors[table][z]+16384.5) - 16384; v != 0 {
				b.coeff[i] = v
				b.last = uint8(i)
			}
		}
		b.coeff[0], dc[c] = b.coeff[0]-dc[c], b.coeff[0]
	}
	unit := 8
	if p.Halved {
		unit = 16
	}
	unitsX, unitsY := (p.W+unit-1)/unit, (p.H+unit-1)/unit
	w.blocks = make([]codedBlock, 0, unitsX*unitsY*6)
	for uy := range unitsY {
		for ux := range unitsX {
			if p.Halved {
				block(0, 2*ux, 2*uy)
				block(0, 2*ux+1, 2*uy)
				block(0, 2*ux, 2*uy+1)
				block(0, 2*ux+1, 2*uy+1)
			} else {
				block(0, ux, uy)
			}
			if len(p.Planes) > 1 {
				block(1, ux, uy)
				block(2, ux, uy)
			}
		}
	}
}

// loadBlock reads 8 x 8 samples around zero. Beyond the edges the last samples
// are repeated, which costs the fewest bits.
func loadBlock(dst *[64]float32, pix []byte, w, h, x, y int) {
	for j := range 8 {
		row := pix[min(y+j, h-1)*w : min(y+j, h-1)*w+w]
		d := dst[8*j : 8*j+8 : 8*j+8]
		if x+8 <= w {
			for i, v := range row[x : x+8] {
				d[i] = float32(int(v) - 128)
			}
			continue
		}
		for i := range d {
			d[i] = float32(int(row[min(x+i, w-1)]) - 128)
		}
	}
}

// header writes everything before the scan.
func (w *encoder) header(p *Picture, quants [][64]uint8, codes [][2]huffmanCode) {
	w.out = make([]byte, 0, 1024+len(w.blocks)*16)
	w.out = append(w.out, 0xff, 0xd8)
	w.segment(0xe0, append([]byte("JFIF\x00"), 1, 1, 0, 0, 1, 0, 1, 0, 0))
	var dqt []byte
	for t := range quants {
		dqt = append(dqt, byte(t))
		for _, z := range zigzag {
			dqt = append(dqt, quants[t][z])
		}
	}
	w.segment(0xdb, dqt)
	sof := []byte{8, byte(p.H >> 8), byte(p.H), byte(p.W >> 8), byte(p.W), byte(len(p.Planes))}
	sos := []byte{byte(len(p.Planes))}
	for c := range p.Planes {
		sampling, table := byte(0x11), byte(1)
		if c == 0 {
			table = 0
			if p.Halved {
				sampling = 0x22
			}
		}
		sof = append(sof, byte(c+1), sampling, table)
		sos = append(sos, byte(c+1), table*0x11)
	}
	w.segment(0xc0, sof)
	var dht []byte
	for t := range codes {
		for class := range codes[t] {
			dht = append(dht, byte(class<<4|t))
			dht = append(dht, codes[t][class].counts[:]...)
			dht = append(dht, codes[t][class].symbols...)
		}
	}
	w.segment(0xc4, dht)
	w.segment(0xda, append(sos, 0, 63, 0))
}

func (w *encoder) segment(marker byte, data []byte) {
	n := len(data) + 2
	w.out = append(w.out, 0xff, marker, byte(n>>8), byte(n))
	w.out = append(w.out, data...)
}

// scan writes the entropy-coded data.
func (w *encoder) scan(codes *[2][2]huffmanCode) {
	for i := range w.blocks {
		b := &w.blocks[i]
		dc, ac := &codes[b.table][0], &codes[b.table][1]
		size := magnitude(b.coeff[0])
		w.symbol(dc, byte(size), b.coeff[0], size)
		run := 0
		for _, v := range b.coeff[1 : int(b.last)+1] {
			if v == 0 {
				run++
				continue
			}
			for ; run > 15; run -= 16 {
				w.symbol(ac, 0xf0, 0, 0)
			}
			size := magnitude(v)
			w.symbol(ac, byte(run<<4)|byte(size), v, size)
			run = 0
		}
		if b.last < 63 {
			w.symbol(ac, 0, 0, 0)
		}
	}
	if w.n > 0 {
		w.put(1<<(8-w.n&7)-1, 8-w.n&7)
	}
}

// symbol writes a code and the size bits of a value; a negative one is written
// as value - 1.
func (w *encoder) symbol(code *huffmanCode, s byte, v int16, size uint) {
	c := code.codes[s]
	if v < 0 {
		v--
	}
	w.put(uint64(c.bits)<<size|uint64(uint16(v)&(1<<size-1)), uint(c.length)+size)
}

// put appends n bits, at most 27, and writes whole bytes, each 0xff followed by
// a zero.
func (w *encoder) put(bits uint64, n uint) {
	w.acc = w.acc<<n | bits
	w.n += n
	for w.n >= 8 {
		w.n -= 8
		c := byte(w.acc >> w.n)
		w.out = append(w.out, c)
		if c == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

// count counts the symbols, by table, DC and AC.
func (w *encoder) count() (n [2][2][256]int) {
	for i := range w.blocks {
		b := &w.blocks[i]
		n[b.table][0][magnitude(b.coeff[0])]++
		ac := &n[b.table][1]
		run := 0
		for _, v := range b.coeff[1 : int(b.last)+1] {
			if v == 0 {
				run++
				continue
			}
			ac[0xf0] += run >> 4
			ac[uint(run&15)<<4|magnitude(v)]++
			run = 0
		}
		if b.last < 63 {
			ac[0]++
		}
	}
	return n
}
