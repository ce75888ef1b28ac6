// Package smartcrop finds the most interesting part of a picture.
//
// A filled box shows all of one side and a part of the other, so the crop is
// one number along that other side. The interest of a column (or row) is the
// sum over its pixels of |difference to the next pixel|, plus a constant for
// each pixel of skin, because people look at skin first. The crop is where the
// sum over its columns is greatest, times a factor that falls from 1 in the
// centre to 0.85 at either end. The picture looked at has some 100 pixels a
// side, which the decoding for the thumbnails yields at no cost.
package smartcrop

import "sluice/thumbnail/internal/colour"

const (
	Side = 96
	// skinWeight is the interest of a pixel of skin, in grey levels of edge.
	skinWeight = 24
	// centreWeight is the share by which a part at either end counts less than
	// the centre.
	centreWeight = 0.15
)

// Interest is the interest of each column and row of a picture, as stored.
type Interest struct{ columns, rows []float64 }

// Find measures a picture of w x h as it is stored: grey, or red, green and
// blue.
func Find(planes [][]byte, alpha []byte, w, h int) *Interest {
	i := &Interest{columns: make([]float64, w), rows: make([]float64, h)}
	luma, coloured := planes[0], len(planes) == 3
	if coloured {
		luma = colour.Luma(planes)
	}
	for y := range h {
		for x := range w {
			at := y*w + x
			seen := 1.0
			if alpha != nil {
				seen = float64(alpha[at]) / 255
			}
			// An edge belongs to both sides, so that a mirrored picture is
			// cropped alike.
			if x+1 < w {
				i.add(x, y, seen*absDifference(luma[at], luma[at+1])/2)
				i.add(x+1, y, seen*absDifference(luma[at], luma[at+1])/2)
			}
			if y+1 < h {
				i.add(x, y, seen*absDifference(luma[at], luma[at+w])/2)
				i.add(x, y+1, seen*absDifference(luma[at], luma[at+w])/2)
			}
			if coloured && isSkin(planes[0][at], planes[1][at], planes[2][at]) {
				i.add(x, y, seen*skinWeight)
			}
		}
	}
	return i
}

func (i *Interest) add(x, y int, e float64) {
	i.columns[x] += e
	i.rows[y] += e
}

func absDifference(a, b byte) float64 { return float64(max(a, b) - min(a, b)) }

// isSkin tests the usual region of chroma (Chai and Ngan 1999). It contains
// light and dark skin, which differ in luma.
func isSkin(r, g, b byte) bool {
	red, green, blue := int(r), int(g), int(b)
	cb := 128 + (-11058*red-21710*green+32768*blue)>>16
	cr := 128 + (32768*red-27440*green-5328*blue)>>16
	luma := (19595*red + 38470*green + 7471*blue) >> 16
	return luma > 30 && luma < 240 && cb >= 77 && cb <= 127 && cr >= 133 && cr <= 173
}

// place moves a crop of a w x h picture, which is as wide or as high as that,
// to the most interesting place.
func (i *Interest) Place(x, y, cw, ch float64, w, h int) (float64, float64) {
	if cw < float64(w) {
		x = bestPart(i.columns, cw/float64(w))*float64(w) - cw/2
		x = min(max(x, 0), float64(w)-cw)
	}
	if ch < float64(h) {
		y = bestPart(i.rows, ch/float64(h))*float64(h) - ch/2
		y = min(max(y, 0), float64(h)-ch)
	}
	return x, y
}

// bestPart returns the centre of the most interesting part, which is length of
// the whole; both from 0 to 1.
func bestPart(energy []float64, length float64) float64 {
	n := len(energy)
	window := max(1, int(length*float64(n)+0.5))
	var sum float64
	for _, e := range energy[:min(window, n)] {
		sum += e
	}
	best, at := -1.0, 0
	for i := 0; i+window <= n; i++ {
		if i > 0 {
			sum += energy[i+window-1] - energy[i-1]
		}
		// 0 in the centre, 1 at either side.
		off := 0.0
		if n > window {
			off = 2*float64(i)/float64(n-window) - 1
			off = max(off, -off)
		}
		if v := (sum + 1) * (1 - centreWeight*off); v > best {
			best, at = v, i
		}
	}
	return (float64(at) + float64(window)/2) / float64(n)
}
