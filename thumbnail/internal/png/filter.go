package png

// unfilter undoes a row's prediction in place. pixel is the distance in bytes
// to the sample on the left. It returns false for a filter that does not exist.
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

// paeth returns the one of left (a), above (b) and upper left (c) that is
// nearest to a+b-c, the first of equals. The distances are |b-c|, |a-c| and
// |a+b-2c|. Seen along the number line:
//
//   - c between a and b: a+b-c lies between them too, c is no farther from it than they are only if it lies in the middle
//     third, |a-c| and |b-c| both at least |a+b-2c|. With 3c-(a+b) that is above the lower and below the higher of the two.
//   - c beyond the higher one: a+b-c is below the lower one, which is the nearest.
//   - c below the lower one: likewise the higher.
//
// So comparing one number with two decides, by conditional moves instead of
// jumps, which a processor could not predict here.
func paeth(a, b, c int32) int32 {
	t := 3*c - (a + b)
	low, high := min(a, b), max(a, b)
	best := c
	if t >= high {
		best = low
	}
	if t <= low {
		best = high
	}
	return best
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
// Plain indices leave enough registers for them.
func paeth3(row, above []byte) {
	var a0, a1, a2, c0, c1, c2 int32
	above = above[:len(row)]
	for i := 2; i < len(row); i += 3 {
		b0 := int32(above[i-2])
		a0 = int32(row[i-2]+byte(paeth(a0, b0, c0))) & 255
		row[i-2] = byte(a0)
		c0 = b0
		b1 := int32(above[i-1])
		a1 = int32(row[i-1]+byte(paeth(a1, b1, c1))) & 255
		row[i-1] = byte(a1)
		c1 = b1
		b2 := int32(above[i])
		a2 = int32(row[i]+byte(paeth(a2, b2, c2))) & 255
		row[i] = byte(a2)
		c2 = b2
	}
}

// paeth4 does the same for four channels: 8-bit RGBA.
func paeth4(row, above []byte) {
	var a0, a1, a2, a3, c0, c1, c2, c3 int32
	above = above[:len(row)]
	for i := 3; i < len(row); i += 4 {
		b0 := int32(above[i-3])
		a0 = int32(row[i-3]+byte(paeth(a0, b0, c0))) & 255
		row[i-3] = byte(a0)
		c0 = b0
		b1 := int32(above[i-2])
		a1 = int32(row[i-2]+byte(paeth(a1, b1, c1))) & 255
		row[i-2] = byte(a1)
		c1 = b1
		b2 := int32(above[i-1])
		a2 = int32(row[i-1]+byte(paeth(a2, b2, c2))) & 255
		row[i-1] = byte(a2)
		c2 = b2
		b3 := int32(above[i])
		a3 = int32(row[i]+byte(paeth(a3, b3, c3))) & 255
		row[i] = byte(a3)
		c3 = b3
	}
}
