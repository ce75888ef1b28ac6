package jpegenc

// The forward DCT is that of Arai, Agui and Nakajima: 5 multiplications and 29
// additions a row. It leaves each coefficient scaled by a known factor,
//
//	S(u)·S(v)·8   with S(0) = 1, S(k) = √2·cos(kπ/16)
//
// which dctFactors divides out together with the quantiser, so that scaling
// costs nothing.
var dctScale = [8]float32{1, 1.387039845, 1.306562965, 1.175875602, 1, 0.785694958, 0.541196100, 0.275899379}

// dctFactors are the factors that quantise the coefficients.
func dctFactors(q *[64]uint8) (f [64]float32) {
	for i := range f {
		f[i] = 1 / (8 * dctScale[i/8] * dctScale[i%8] * float32(q[i]))
	}
	return f
}

func forwardDCT(b *[64]float32) {
	for i := 0; i < 64; i += 8 {
		r := b[i : i+8 : i+8]
		r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7] = dct8(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
	}
	for i := range 8 {
		b[i], b[8+i], b[16+i], b[24+i], b[32+i], b[40+i], b[48+i], b[56+i] = dct8(b[i], b[8+i], b[16+i], b[24+i], b[32+i], b[40+i], b[48+i], b[56+i])
	}
}

// dct8 transforms eight samples. With c(k) = cos(kπ/16) the constants are
//
//	c(4) = 0.7071, c(6) = 0.3827, c(2) - c(6) = 0.5412, c(2) + c(6) = 1.3066
func dct8(s0, s1, s2, s3, s4, s5, s6, s7 float32) (f0, f1, f2, f3, f4, f5, f6, f7 float32) {
	a0, a1, a2, a3 := s0+s7, s1+s6, s2+s5, s3+s4
	d0, d1, d2, d3 := s3-s4, s2-s5, s1-s6, s0-s7

	e0, e1, e2, e3 := a0+a3, a1+a2, a1-a2, a0-a3
	z := (e2 + e3) * 0.707106781
	f0, f4, f2, f6 = e0+e1, e0-e1, e3+z, e3-z

	o0, o1, o2 := d0+d1, d1+d2, d2+d3
	z5 := (o0 - o2) * 0.382683433
	z2, z4 := o0*0.541196100+z5, o2*1.306562965+z5
	z3 := o1 * 0.707106781
	z11, z13 := d3+z3, d3-z3
	f5, f3, f1, f7 = z13+z2, z13-z2, z11+z4, z11-z4
	return f0, f1, f2, f3, f4, f5, f6, f7
}
