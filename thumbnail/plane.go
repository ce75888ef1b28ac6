package thumbnail

import (
	"encoding/binary"

	"sluice/thumbnail/scaledjpeg"
)

// plane is one channel of a picture, 8 bits a sample.
type plane struct {
	pix    []byte // sample (x, y) is pix[y*stride+x]
	stride int
	w, h   int // whole and begun samples
	// extentW and extentH are the part of w x h that the picture covers. A picture 2725 wide, reduced by 8, covers 340.625
	// samples; the 341st is mostly padding. Resizing from 341 would shrink the picture by a tenth of a pixel, and
	// 50 dB become 35.
	extentW, extentH float64
}

func newPlane(w, h int) plane {
	return plane{pix: make([]byte, w*h), stride: w, w: w, h: h, extentW: float64(w), extentH: float64(h)}
}

func (p *plane) row(y int) []byte { return p.pix[y*p.stride : y*p.stride+p.w] }

// halve averages 2 x 2 samples. A last column or row without a partner stands for itself.
func (p *plane) halve() plane {
	out := newPlane((p.w+1)/2, (p.h+1)/2)
	out.extentW, out.extentH = p.extentW/2, p.extentH/2
	for y := range out.h {
		a := p.row(2 * y)
		b := a
		if 2*y+1 < p.h {
			b = p.row(2*y + 1)
		}
		halveRows(out.row(y), a, b)
	}
	return out
}

// halveRows averages two rows, eight columns at a time: the even and the odd bytes of a word are added
// in lanes of 16 bits, which hold 4 x 255 easily.
func halveRows(dst, a, b []byte) {
	const even = 0x00ff00ff00ff00ff
	x := 0
	for ; 2*x+8 <= len(a); x += 4 {
		u, v := binary.LittleEndian.Uint64(a[2*x:]), binary.LittleEndian.Uint64(b[2*x:])
		sum := u&even + u>>8&even + v&even + v>>8&even
		sum = (sum + 0x0002000200020002) >> 2 & even
		d := dst[x : x+4 : x+4]
		d[0], d[1], d[2], d[3] = byte(sum), byte(sum>>16), byte(sum>>32), byte(sum>>48)
	}
	for ; x < len(dst); x++ {
		i, j := 2*x, min(2*x+1, len(a)-1)
		dst[x] = byte((int(a[i]) + int(a[j]) + int(b[i]) + int(b[j]) + 2) / 4)
	}
}

// colourModel says what a raster's planes mean.
type colourModel uint8

const (
	modelGrey colourModel = iota + 1 // one plane
	modelYCC                         // Y, Cb, Cr with full range; the latter two may have fewer samples
	modelRGB
	modelCMYK // inks: 0 is none
	modelYCCK // inks as Y, Cb, Cr, and black
)

// raster is a decoded picture, reduced or not, not yet turned upright.
type raster struct {
	model  colourModel
	planes []plane
	// alpha is nil where the format has no transparency. Where it has, the other planes are multiplied by it, so that
	// the colour of what cannot be seen does not bleed.
	alpha *plane
	// droop tells how much fine detail averaging took from the samples, see droopOf.
	droop float64
	// extraDroop is what planes of another reduction have more of it, or less.
	extraDroop  [4]float64
	invertedInk bool // inks are stored as 255 - ink
	// smaller is the same picture at half the size, made when it is first wanted.
	smaller *raster
	// decoder, where it is not nil, owns the planes, and goes back to the pool when they are not read any more.
	decoder *scaledjpeg.Decoder
}

// droopOf gives the loss of averaging k samples to one. The mean over a width of 1 takes from a wave of f cycles a sample the factor
//
//	sin(πf)/(πf) ≈ 1 - (πf)²/6
//
// and k samples that were points themselves come to 1 - (πf)²/6·(1-1/k²). A second derivative multiplies by -(2πf)²,
// so subtracting it (1-1/k²)/24 times puts the loss right, as far as the thumbnail's own detail goes. The filter's weights
// take it in, which costs nothing; it brings up to 1 dB.
func droopOf(k int) float64 { return (1 - 1/float64(k*k)) / 24 }

// half gives the raster at half the size.
func (r *raster) half() *raster {
	if r.smaller == nil {
		s := &raster{model: r.model, invertedInk: r.invertedInk, droop: r.droop/4 + droopOf(2)}
		for i := range r.planes {
			s.planes = append(s.planes, r.planes[i].halve())
			s.extraDroop[i] = r.extraDroop[i] / 4
		}
		if r.alpha != nil {
			a := r.alpha.halve()
			s.alpha = &a
		}
		r.smaller = s
	}
	return r.smaller
}

// level gives a smaller form of r for a thumbnail that takes ratio samples of r for a pixel. It leaves at least four of them: two would do
// for the eye, but cost 2 to 4 dB against the exact filter, and save little.
func (r *raster) level(ratio float64) *raster {
	for ratio >= 8 {
		r, ratio = r.half(), ratio/2
	}
	return r
}
