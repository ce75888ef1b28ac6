// Package colour converts between RGB and JPEG's luma and chroma, and decides
// whether a picture may lose half of its chroma.
//
// The conversion is that of ITU-T T.871, in fixed point of 16 bits:
//
//	R = Y + 1.402·(Cr-128)                         Y  =  0.299·R    + 0.587·G    + 0.114·B
//	G = Y - 0.344136·(Cb-128) - 0.714136·(Cr-128)  Cb = -0.168736·R - 0.331264·G + 0.5·B      + 128
//	B = Y + 1.772·(Cb-128)                         Cr =  0.5·R      - 0.418688·G - 0.081312·B + 128
//
// Half of the chroma (4:2:0) is enough for photographs and saves a third of the
// bytes. It is too little for graphics: a red line of one pixel on white
// becomes a pink shadow of two. The loss can be counted: a pixel is hard if its
// chroma is more than 32 levels from the mean of its 2 x 2 pixels. Photographs
// have up to 0.02 % of hard pixels, a thin frame around a picture of 200 x 200
// has 2 %; a picture with 0.5 % keeps all of its chroma.
package colour

import "sluice/thumbnail/internal/raster"

// YCCToRGB converts a sample of luma and chroma.
func YCCToRGB(y, cb, cr byte) (r, g, b byte) {
	l, u, v := int32(y)<<16+1<<15, int32(cb)-128, int32(cr)-128
	return raster.Clamp((l + 91881*v) >> 16), raster.Clamp((l - 22554*u - 46802*v) >> 16), raster.Clamp((l + 116130*u) >> 16)
}

// FineToRGB is YCCToRGB of samples with raster.FineBits fractional bits.
func FineToRGB(y, cb, cr int16) (r, g, b byte) {
	l, u, v := int32(y)<<(16-raster.FineBits)+1<<15, int32(cb)-128<<raster.FineBits, int32(cr)-128<<raster.FineBits
	return raster.Clamp((l + 91881*v>>raster.FineBits) >> 16), raster.Clamp((l - (22554*u+46802*v)>>raster.FineBits) >> 16), raster.Clamp((l + 116130*u>>raster.FineBits) >> 16)
}

// Luma returns the luma of red, green and blue planes.
func Luma(rgb [][]byte) []byte {
	red, green, blue := rgb[0], rgb[1], rgb[2]
	out := make([]byte, len(red))
	for i := range out {
		out[i] = byte((19595*int32(red[i]) + 38470*int32(green[i]) + 7471*int32(blue[i]) + 1<<15) >> 16)
	}
	return out
}

// HalvedYCC returns luma and chroma of planes of w x h, chroma as the mean of
// every 2 x 2 pixels.
func HalvedYCC(rgb [][]byte, w, h int) [][]byte {
	cw, ch := (w+1)/2, (h+1)/2
	out := [][]byte{Luma(rgb), make([]byte, cw*ch), make([]byte, cw*ch)}
	red, green, blue := rgb[0], rgb[1], rgb[2]
	for y := range ch {
		top, bottom := 2*y*w, min(2*y+1, h-1)*w
		for x := range cw {
			left, right := 2*x, min(2*x+1, w-1)
			// Sums of four, so two more bits in the shift.
			sum := func(p []byte) int32 {
				return int32(p[top+left]) + int32(p[top+right]) + int32(p[bottom+left]) + int32(p[bottom+right])
			}
			r, g, b := sum(red), sum(green), sum(blue)
			const half = 128<<18 + 1<<17
			out[1][y*cw+x] = raster.Clamp((-11058*r - 21710*g + 32768*b + half) >> 18)
			out[2][y*cw+x] = raster.Clamp((32768*r - 27440*g - 5328*b + half) >> 18)
		}
	}
	return out
}
