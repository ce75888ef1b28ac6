package vp8

import "sluice/thumbnail/internal/raster"

// WebP's lossy pictures hold BT.601 "video" levels: luma runs from 16 to 235
// and chroma from 16 to 240, where JPEG and image/color use 0 to 255 for both.
// golang.org/x/image/webp labels them image.YCbCr unchanged, so that black
// becomes (16, 16, 16) and white (235, 235, 235): pictures look washed out.
// With
//
//	Y' = (Y - 16) * 255/219        C' = (C - 128) * 255/224 + 128
//
// the JPEG matrix gives exactly the colours that BT.601 with video levels
// means.
var LumaLevels, ChromaLevels = levelTables()

func levelTables() (luma, chroma [256]uint8) {
	for i := range 256 {
		luma[i] = clamp8(((i-16)*255*2 + 219) / (2 * 219))
		c := (i - 128) * 255
		if c < 0 {
			c -= 224 / 2
		} else {
			c += 224 / 2
		}
		chroma[i] = clamp8(c/224 + 128)
	}
	return luma, chroma
}

func clamp8(v int) uint8 { return uint8(min(max(v, 0), 255)) }

// FullRange stretches video levels in place.
func FullRange(r *raster.Raster) {
	for c, p := range r.Planes {
		table := &ChromaLevels
		if c == 0 {
			table = &LumaLevels
		}
		for i, v := range p.Pix {
			p.Pix[i] = table[v]
		}
	}
}
