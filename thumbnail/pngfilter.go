package thumbnail

// unfilter undoes a row's prediction in place. pixel is the distance in bytes to the sample on the left that
// predicts. It is false for a filter that does not exist.
func unfilter(filter byte, row, above []byte, pixel int) bool {
	above = above[:len(row)]
	switch filter {
	case 0:
	case 1:
		for i := pixel; i < len(row); i++ {
			row[i] += row[i-pixel]
		}
	case 2:
		for i, v := range above {
			row[i] += v
		}
	case 3:
		for i := range min(pixel, len(row)) {
			row[i] += above[i] / 2
		}
		for i := pixel; i < len(row); i++ {
			row[i] += byte((int(row[i-pixel]) + int(above[i])) / 2)
		}
	case 4:
		switch pixel {
		case 3:
			paeth3(row, above)
		case 4:
			paeth4(row, above)
		default:
			paethAny(row, above, pixel)
		}
	default:
		return false
	}
	return true
}

// paeth chooses of left (a), above (b) and upper left (c) the one nearest to a+b-c. With
//
//	pa = |b-c|, pb = |a-c|, pc = |a+b-2c|
//
// the order of preference is a, b, c.
func paeth(a, b, c int32) int32 {
	pa, pb := b-c, a-c
	pc := pa + pb
	pa, pb, pc = magnitude32(pa), magnitude32(pb), magnitude32(pc)
	// Choices are moves, not jumps: which one wins cannot be predicted.
	best, least := a, pa
	if pb < least {
		best, least = b, pb
	}
	if pc < least {
		best = c
	}
	return best
}

func magnitude32(v int32) int32 {
	m := v >> 31
	return (v ^ m) - m
}

func paethAny(row, above []byte, pixel int) {
	for i := range min(pixel, len(row)) {
		row[i] += above[i]
	}
	for i := pixel; i < len(row); i++ {
		row[i] += byte(paeth(int32(row[i-pixel]), int32(above[i]), int32(above[i-pixel])))
	}
}

// paeth3 keeps the three channels' neighbours in registers: a row of 8-bit RGB.
func paeth3(row, above []byte) {
	var a0, a1, a2, c0, c1, c2 int32
	for len(row) >= 3 && len(above) >= 3 {
		b0, b1, b2 := int32(above[0]), int32(above[1]), int32(above[2])
		a0 = int32(byte(int32(row[0]) + paeth(a0, b0, c0)))
		a1 = int32(byte(int32(row[1]) + paeth(a1, b1, c1)))
		a2 = int32(byte(int32(row[2]) + paeth(a2, b2, c2)))
		row[0], row[1], row[2] = byte(a0), byte(a1), byte(a2)
		c0, c1, c2 = b0, b1, b2
		row, above = row[3:], above[3:]
	}
}

// paeth4 does the same for four channels: 8-bit RGBA.
func paeth4(row, above []byte) {
	var a0, a1, a2, a3, c0, c1, c2, c3 int32
	for len(row) >= 4 && len(above) >= 4 {
		b0, b1, b2, b3 := int32(above[0]), int32(above[1]), int32(above[2]), int32(above[3])
		a0 = int32(byte(int32(row[0]) + paeth(a0, b0, c0)))
		a1 = int32(byte(int32(row[1]) + paeth(a1, b1, c1)))
		a2 = int32(byte(int32(row[2]) + paeth(a2, b2, c2)))
		a3 = int32(byte(int32(row[3]) + paeth(a3, b3, c3)))
		row[0], row[1], row[2], row[3] = byte(a0), byte(a1), byte(a2), byte(a3)
		c0, c1, c2, c3 = b0, b1, b2, b3
		row, above = row[4:], above[4:]
	}
}
