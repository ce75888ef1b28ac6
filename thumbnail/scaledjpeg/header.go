package scaledjpeg

import (
	"cmp"
	"fmt"
	"math/bits"
)

// ColorModel is the meaning of the planes of a picture.
type ColorModel uint8

// The color models, in the order of their planes.
const (
	Gray  ColorModel = iota + 1 // Y
	YCbCr                       // Y, Cb, Cr; full range, as in JFIF
	RGB                         // R, G, B
	CMYK                        // C, M, Y, K; see Header.Inverted
	YCCK                        // Y, Cb, Cr of the inks, and K; see Header.Inverted
)

func (m ColorModel) String() string {
	switch m {
	case Gray:
		return "Gray"
	case YCbCr:
		return "YCbCr"
	case RGB:
		return "RGB"
	case CMYK:
		return "CMYK"
	case YCCK:
		return "YCCK"
	}
	return fmt.Sprintf("ColorModel(%d)", uint8(m))
}

// Sampling is a component's share of the samples, 1 to 4 in each direction. A
// component has Width*H/max(H) samples a line, where the maximum is over all
// components: (2,2), (1,1), (1,1) is 4:2:0.
type Sampling struct{ H, V uint8 }

// Header describes a JPEG, from the data before its first scan.
type Header struct {
	// Width and Height are in pixels. Height is 0 when the file gives it only
	// after the first scan (a DNL marker); a decoded [Image] always knows it.
	Width, Height int
	// Components is 1, 3 or 4.
	Components int
	// Progressive pictures come in several scans, coarse to fine.
	Progressive bool
	ColorModel  ColorModel
	// Inverted is set for CMYK and YCCK files: 255 stands for no ink. Files
	// without an Adobe marker are read the same way, as by libvips and Pillow.
	Inverted bool
	// Sampling has an entry for each component, the others are zero. A gray
	// picture always has (1,1).
	Sampling [4]Sampling
	// EXIF is the first Exif segment, from its TIFF header on ("II" or "MM").
	// Nil where there is none.
	EXIF []byte
	// ICC is the embedded color profile, its parts joined in their order.
	// Nil where there is none or it is not usable; ICCErr is the reason then.
	ICC    []byte
	ICCErr error
}

// maxSampling returns the largest factors of all components.
func (h *Header) maxSampling() (hmax, vmax int) {
	for _, s := range h.Sampling[:h.Components] {
		hmax = max(hmax, int(s.H))
		vmax = max(vmax, int(s.V))
	}
	return max(hmax, 1), max(vmax, 1)
}

// mcus returns the number of minimum coded units in each direction: the
// rectangles of 8*hmax x 8*vmax pixels that interleaved scans are made of.
func (h *Header) mcus() (x, y int) {
	hmax, vmax := h.maxSampling()
	return ceilDiv(h.Width, 8*hmax), ceilDiv(h.Height, 8*vmax)
}

// PlaneSize returns the samples of component i at 1/scale, rounded up.
func (h *Header) PlaneSize(i, scale int) (width, height int) {
	hmax, vmax := h.maxSampling()
	s := h.Sampling[i]
	return ceilDiv(h.Width*int(s.H), hmax*scale), ceilDiv(h.Height*int(s.V), vmax*scale)
}

// Extent returns the part of component i's plane that the picture covers, in
// samples: a picture 2725 wide covers 340.625 samples at 1/8, and the 341st
// is mostly padding. Resize from the extent, not from the rounded size.
func (h *Header) Extent(i, scale int) (width, height float64) {
	hmax, vmax := h.maxSampling()
	s := h.Sampling[i]
	return float64(h.Width) * float64(s.H) / float64(hmax*scale),
		float64(h.Height) * float64(s.V) / float64(vmax*scale)
}

// ScaleFor returns the largest of 8, 4, 2 and 1 at which the picture still has
// at least width x height pixels. Ask for twice the wanted size: a resampling
// filter needs pixels to choose from.
func (h *Header) ScaleFor(width, height int) int {
	for scale := 8; scale > 1; scale /= 2 {
		if h.Width >= width*scale && h.Height >= height*scale {
			return scale
		}
	}
	return 1
}

// fixedBytes is what a decoder needs besides planes and coefficients: the read
// buffer, the chunk of entropy-coded bytes and the Huffman tables.
const fixedBytes = 224 << 10

// MemoryBytes returns the working memory that decoding with o.Scale and
// o.FineChroma takes, the planes that are returned included: what o.MaxBytes is
// compared with. Without a Height it counts the greatest there is, 65,535.
func (h *Header) MemoryBytes(o Options) int64 {
	g := *h
	if g.Height == 0 {
		g.Height = maxDimension
	}
	mx, my := g.mcus()
	total := int64(fixedBytes + len(h.EXIF) + len(h.ICC))
	for i, s := range h.Sampling[:h.Components] {
		blocks := int64(mx) * int64(s.H) * int64(my) * int64(s.V)
		total += blocks * bytesPerBlock(h.blockSize(i, cmp.Or(o.Scale, 1), o.FineChroma), h.Progressive)
	}
	return total
}

// blockSize is how many samples of a block component i gets, in each direction.
func (h *Header) blockSize(i, scale int, fine bool) int {
	n := 8 / scale
	hmax, vmax := h.maxSampling()
	if s := h.Sampling[i]; fine && n < 8 && (int(s.H) < hmax || int(s.V) < vmax) {
		n *= 2
	}
	return n
}

// bytesPerBlock is the memory of one block that gives n x n samples.
func bytesPerBlock(size int, progressive bool) int64 {
	n := int64(size)
	switch {
	case !progressive:
		return n * n
	case n == 1:
		return 2 // the coefficient; the sample takes its place
	default:
		return n*n + 2*n*n + 8 // samples, coefficients, history
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// validScale reports whether s is 1, 2, 4 or 8.
func validScale(s int) bool { return s >= 1 && s <= 8 && bits.OnesCount(uint(s)) == 1 }
