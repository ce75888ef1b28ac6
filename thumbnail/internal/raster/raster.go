// Package raster holds decoded pictures as planes of 8 bits a sample, and
// reduces them by averaging while they are decoded.
//
// A mean over k samples takes from a wave of f cycles a sample the factor
//
//	sin(πf)/(πf) ≈ 1 - (πf)²/6
//
// and k samples that were points themselves come to 1 - (πf)²/6·(1-1/k²). A
// second derivative multiplies by -(2πf)², so subtracting it (1-1/k²)/24 times
// restores the loss, as far as the thumbnail's own detail goes. A raster notes
// that factor as its droop. The weights of package resample take it in, which
// costs nothing and brings up to 1 dB.
//
// Colours are multiplied by alpha: a·c/255, so that the colour of invisible
// pixels does not bleed into its neighbours.
package raster

import (
	"encoding/binary"
)

// Plane is one channel of a picture, 8 bits a sample.
type Plane struct {
	Pix    []byte // sample (x, y) is pix[y*stride+x]
	Stride int
	W, H   int // whole and begun samples
	// extentW and extentH are the part of w x h that the picture covers. A
	// picture 2725 wide, reduced by 8, covers 340.625 samples; the 341st is
	// mostly padding. Resizing from 341 would shrink the picture by a tenth of
	// a pixel, and 50 dB become 35.
	ExtentW, ExtentH float64
}

func NewPlane(w, h int) Plane {
	return Plane{Pix: make([]byte, w*h), Stride: w, W: w, H: h, ExtentW: float64(w), ExtentH: float64(h)}
}

func (p *Plane) Row(y int) []byte { return p.Pix[y*p.Stride : y*p.Stride+p.W] }

// halve averages 2 x 2 samples. A last column or row without a partner is
// averaged with itself.
func (p *Plane) halve() Plane {
	out := NewPlane((p.W+1)/2, (p.H+1)/2)
	out.ExtentW, out.ExtentH = p.ExtentW/2, p.ExtentH/2
	for y := range out.H {
		a := p.Row(2 * y)
		b := a
		if 2*y+1 < p.H {
			b = p.Row(2*y + 1)
		}
		halveRows(out.Row(y), a, b)
	}
	return out
}

// halveRows averages two rows, eight columns at a time: the even and the odd
// bytes of a word are added in lanes of 16 bits, which hold 4 x 255 easily.
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

// Model is the meaning of a raster's planes.
type Model uint8

const (
	Grey Model = iota + 1 // one plane
	YCC                   // Y, Cb, Cr with full range; the latter two may have fewer samples
	RGB
	CMYK // inks: 0 is none
	YCCK // inks as Y, Cb, Cr, and black
)

// Raster is a decoded picture, reduced or not, not yet turned upright.
type Raster struct {
	Model  Model
	Planes []Plane
	// alpha is nil where the format has no transparency. Where it has, the
	// other planes are multiplied by it, so that the colour of what cannot be
	// seen does not bleed.
	Alpha *Plane
	// droop is the loss of fine detail by averaging, see DroopOf.
	Droop float64
	// extraDroop is the difference of planes of another reduction.
	ExtraDroop  [4]float64
	InvertedInk bool // inks are stored as 255 - ink
	// smaller is the same picture at half the size, made at first use.
	smaller *Raster
}

// DroopOf returns the loss of averaging k samples to one, see the package.
func DroopOf(k int) float64 { return (1 - 1/float64(k*k)) / 24 }

// half returns the raster at half the size.
func (r *Raster) half() *Raster {
	if r.smaller == nil {
		s := &Raster{Model: r.Model, InvertedInk: r.InvertedInk, Droop: r.Droop/4 + DroopOf(2)}
		for i := range r.Planes {
			s.Planes = append(s.Planes, r.Planes[i].halve())
			s.ExtraDroop[i] = r.ExtraDroop[i] / 4
		}
		if r.Alpha != nil {
			a := r.Alpha.halve()
			s.Alpha = &a
		}
		r.smaller = s
	}
	return r.smaller
}

// level returns a smaller form of r for a thumbnail that takes ratio samples of
// r for a pixel. It leaves at least four: two would do for the eye, but cost 2
// to 4 dB against the exact filter, and save little.
func (r *Raster) Level(ratio float64) *Raster {
	for ratio >= 8 {
		r, ratio = r.half(), ratio/2
	}
	return r
}

// FineBits are the fractional bits of samples that are about to be converted.
// Bytes would be rounded twice: half a grey level's error in luma and chroma
// limits colours to 54 dB.
const FineBits = 6
