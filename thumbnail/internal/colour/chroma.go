package colour

import "sluice/thumbnail/internal/raster"

const (
	hardStep = 32 // levels of Cb or Cr, from the mean of two by two
	// hardShare is how many pixels there are for one hard pixel.
	hardShare = 200
)

// IsHard reports whether an RGB thumbnail would lose colour at its edges by
// halving its chroma.
func IsHard(planes [][]byte, w, h int) bool {
	return CountHard(planes, w, h)*hardShare > w*h
}

func CountHard(planes [][]byte, w, h int) (hard int) {
	red, green, blue := planes[0], planes[1], planes[2]
	for y := 0; y+1 < h; y += 2 {
		for x := 0; x+1 < w; x += 2 {
			var cb, cr [4]int32
			var sumB, sumR int32
			for i, at := range [4]int{y*w + x, y*w + x + 1, (y+1)*w + x, (y+1)*w + x + 1} {
				cb[i], cr[i] = chromaOf(int32(red[at]), int32(green[at]), int32(blue[at]))
				sumB, sumR = sumB+cb[i], sumR+cr[i]
			}
			for i := range cb {
				b, r := 4*cb[i]-sumB, 4*cr[i]-sumR
				if max(b, -b, r, -r) > 4*hardStep {
					hard++
				}
			}
		}
	}
	return hard
}

// chromaOf is Cb and Cr from -128 to 128.
func chromaOf(r, g, b int32) (cb, cr int32) {
	return (-11058*r - 21710*g + 32768*b + 1<<15) >> 16, (32768*r - 27440*g - 5328*b + 1<<15) >> 16
}

// FullYCC is HalvedYCC without halving.
func FullYCC(rgb [][]byte) [][]byte {
	n := len(rgb[0])
	out := [][]byte{make([]byte, n), make([]byte, n), make([]byte, n)}
	for i := range n {
		r, g, b := int32(rgb[0][i]), int32(rgb[1][i]), int32(rgb[2][i])
		cb, cr := chromaOf(r, g, b)
		out[0][i] = byte((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
		out[1][i], out[2][i] = raster.Clamp(cb+128), raster.Clamp(cr+128)
	}
	return out
}

// HasHardSteps reports whether a decoded picture has chroma of full size with
// hard steps. It is a rough test, so that photographs of full chroma also skip
// the conversion to RGB.
func HasHardSteps(r *raster.Raster) bool {
	if r.Model != raster.YCC || r.Planes[1].W != r.Planes[0].W || r.Planes[1].H != r.Planes[0].H {
		return false
	}
	hard, seen := 0, 0
	for _, p := range r.Planes[1:3] {
		for y := 0; y < p.H; y += 2 {
			row := p.Row(y)
			for x := 1; x < len(row); x++ {
				if max(row[x-1], row[x])-min(row[x-1], row[x]) > 2*hardStep {
					hard++
				}
			}
			seen += len(row)
		}
	}
	return hard*hardShare > seen
}
