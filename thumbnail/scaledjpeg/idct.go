package scaledjpeg

import (
	"encoding/binary"
	"math"
)

// zigzag maps the coded order of coefficients to 8*v + u.
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

// fracBits is the fixed point of dequantised coefficients and samples.
const fracBits = 14

// bias is 128, the level shift, and one half for rounding.
const bias = 128<<fracBits + 1<<(fracBits-1)

// sharpness is the exponent of the box filter's response: 1 is the box average,
// 0 only limits the band. See the package documentation.
const sharpness = 0.25

// response is the gain of frequency u, of 8 samples, at n samples.
func response(n, u int) float64 {
	if u >= n {
		return 0
	}
	// Averaging pairs damps frequency u by cos(u pi/16) and leaves it as
	// frequency u of half the samples: the next averaging damps it by
	// cos(2u pi/16), and so on.
	box := 1.0
	for m := 8; m > n; m /= 2 {
		box *= math.Cos(float64(u*8/m) * math.Pi / 16)
	}
	return math.Pow(box, sharpness)
}

// inputWeight is the factor of frequency u that the n-point transform below
// expects in its input, besides the response: the factor of the orthonormal
// basis, and the factors that the transform's flow graph leaves out.
func inputWeight(n, u int) float64 {
	switch {
	case u == 0:
		return math.Sqrt(1. / 8)
	case n == 8:
		return math.Cos(float64(u)*math.Pi/16) / 2
	case n == 4 && u != 2:
		return math.Cos(math.Pi/8) / 2
	default:
		return math.Sqrt(1. / 8) // cos(pi/4) / 2
	}
}

// dequant is a quantisation table with the transform's weights folded in, in
// zig-zag order; entries of frequencies that the scale drops are 0.
type dequant [64]int32

func (q *dequant) set(table *[64]uint16, n int) {
	for k, z := range zigzag {
		u, v := int(z&7), int(z>>3)
		w := response(n, u) * response(n, v)
		if w != 0 {
			w *= inputWeight(n, u) * inputWeight(n, v)
		}
		q[k] = int32(math.Round(float64(table[k]) * w * (1 << fracBits)))
	}
}

func clamp(v int) byte {
	if uint(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}

// fill writes a block of n x n equal samples.
func fill(dst []byte, stride, n int, dc int32) {
	v := clamp((int(dc) + bias) >> fracBits)
	for y := range n {
		d := dst[y*stride:][:n]
		for x := range d {
			d[x] = v
		}
	}
}

// idct2 writes 2x2 samples.
func idct2(dst []byte, stride int, b *[64]int32) {
	x0, x1, x2, x3 := int(b[0])+bias, int(b[1]), int(b[2]), int(b[3])
	s, t := x0+x2, x0-x2
	u, v := x1+x3, x1-x3
	d := dst[:2]
	d[0] = clamp((s + u) >> fracBits)
	d[1] = clamp((s - u) >> fracBits)
	d = dst[stride : stride+2]
	d[0] = clamp((t + v) >> fracBits)
	d[1] = clamp((t - v) >> fracBits)
}

// tan8 is tan(pi/8), 14 bits.
const tan8 = 6786

// The 4-point transform, with X of u = 0 to 3 and c(a) = cos(a pi/8), is
//
//	x0, x3 = X0 + c(2) X2 +- (c(1) X1 + c(3) X3)
//	x1, x2 = X0 - c(2) X2 +- (c(3) X1 - c(1) X3)
//
// c(2) is in the weight of X2, c(1) in those of X1 and X3. The remaining factor
// is c(3)/c(1) = tan(pi/8), twice.

// idct4 writes 4x4 samples.
func idct4(dst []byte, stride int, b *[64]int32) {
	for u := range 4 {
		x0, x1, x2, x3 := int(b[u]), int(b[4+u]), int(b[8+u]), int(b[12+u])
		e0, e1 := x0+x2, x0-x2
		o0 := x1 + (x3*tan8)>>14
		o1 := (x1*tan8)>>14 - x3
		b[u], b[4+u], b[8+u], b[12+u] = int32(e0+o0), int32(e1+o1), int32(e1-o1), int32(e0-o0)
	}
	row4(dst, int(b[0])+bias, int(b[1]), int(b[2]), int(b[3]))
	row4(dst[stride:], int(b[4])+bias, int(b[5]), int(b[6]), int(b[7]))
	row4(dst[2*stride:], int(b[8])+bias, int(b[9]), int(b[10]), int(b[11]))
	row4(dst[3*stride:], int(b[12])+bias, int(b[13]), int(b[14]), int(b[15]))
}

// row4 transforms and writes a row of 4 samples.
func row4(dst []byte, x0, x1, x2, x3 int) {
	e0, e1 := x0+x2, x0-x2
	o0 := x1 + (x3*tan8)>>14
	o1 := (x1*tan8)>>14 - x3
	y0, y1, y2, y3 := (e0+o0)>>fracBits, (e1+o1)>>fracBits, (e1-o1)>>fracBits, (e0-o0)>>fracBits
	if uint(y0|y1|y2|y3) > 255 {
		y0, y1, y2, y3 = int(clamp(y0)), int(clamp(y1)), int(clamp(y2)), int(clamp(y3))
	}
	binary.LittleEndian.PutUint32(dst, uint32(y0|y1<<8|y2<<16|y3<<24))
}

// The 8-point transform is that of Arai, Agui and Nakajima ("A fast DCT-SQ
// scheme for images", 1988), run backwards: cos(u pi/16) is taken out of every
// input, which the weights put back, and 5 multiplications are left of 11. With
// C(a) = cos(a pi/16) they are by sqrt(2), twice, and, for the odd inputs, a
// rotation by 2 C(2), 2 (C(2)-C(6)) and 2 (C(2)+C(6)).

// Constants of the 8-point transform, 14 bits.
const (
	aanSqrt2 = 23170 // sqrt(2)
	aanC     = 30274 // 2 cos(pi/8)
	aanA     = 17734 // 2 (cos(pi/8) - cos(3pi/8))
	aanB     = 42813 // 2 (cos(pi/8) + cos(3pi/8))
)

// aan is the 8-point inverse transform on weighted input, with 5
// multiplications.
func aan(x0, x1, x2, x3, x4, x5, x6, x7 int) (y0, y1, y2, y3, y4, y5, y6, y7 int) {
	a, b := x0+x4, x0-x4
	c := x2 + x6
	d := ((x2-x6)*aanSqrt2)>>14 - c
	e0, e3, e1, e2 := a+c, a-c, b+d, b-d

	z13, z10 := x5+x3, x5-x3
	z11, z12 := x1+x7, x1-x7
	o7 := z11 + z13
	z5 := (z10 + z12) * aanC
	o6 := (z5-z10*aanB)>>14 - o7
	o5 := ((z11-z13)*aanSqrt2)>>14 - o6
	o4 := (z5-z12*aanA)>>14 - o5
	return e0 + o7, e1 + o6, e2 + o5, e3 + o4, e3 - o4, e2 - o5, e1 - o6, e0 - o7
}

// idct8 writes 8x8 samples.
func idct8(dst []byte, stride int, b *[64]int32) {
	for u := range 8 {
		if b[8+u]|b[16+u]|b[24+u]|b[32+u]|b[40+u]|b[48+u]|b[56+u] == 0 {
			v := b[u]
			b[8+u], b[16+u], b[24+u], b[32+u], b[40+u], b[48+u], b[56+u] = v, v, v, v, v, v, v
			continue
		}
		y0, y1, y2, y3, y4, y5, y6, y7 := aan(
			int(b[u]), int(b[8+u]), int(b[16+u]), int(b[24+u]),
			int(b[32+u]), int(b[40+u]), int(b[48+u]), int(b[56+u]))
		b[u], b[8+u], b[16+u], b[24+u] = int32(y0), int32(y1), int32(y2), int32(y3)
		b[32+u], b[40+u], b[48+u], b[56+u] = int32(y4), int32(y5), int32(y6), int32(y7)
	}
	for y := range 8 {
		r := b[8*y : 8*y+8 : 8*y+8]
		y0, y1, y2, y3, y4, y5, y6, y7 := aan(
			int(r[0])+bias, int(r[1]), int(r[2]), int(r[3]), int(r[4]), int(r[5]), int(r[6]), int(r[7]))
		d := dst[y*stride:][:8]
		d[0] = clamp(y0 >> fracBits)
		d[1] = clamp(y1 >> fracBits)
		d[2] = clamp(y2 >> fracBits)
		d[3] = clamp(y3 >> fracBits)
		d[4] = clamp(y4 >> fracBits)
		d[5] = clamp(y5 >> fracBits)
		d[6] = clamp(y6 >> fracBits)
		d[7] = clamp(y7 >> fracBits)
	}
}
