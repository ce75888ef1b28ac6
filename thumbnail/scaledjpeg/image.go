package scaledjpeg

import (
	"image"
	"image/color"
)

// Plane is one component's samples.
type Plane struct {
	// Pix holds the samples; sample (x, y) is Pix[y*Stride+x].
	Pix    []byte
	Stride int
	// W and H are the numbers of samples, rounded up.
	W, H int
	// ExtentW and ExtentH are the part of W x H that the picture covers, in
	// samples: W-1 < ExtentW <= W. See [Header.Extent].
	ExtentW, ExtentH float64
	// Scale is the Image's, or half of that for a finer component of
	// Options.FineChroma.
	Scale int
	// Droop is the damping of fine detail by the reduction: a wave of f cycles a
	// sample keeps 1 - Droop*(2*pi*f)^2 of its height, for small f. A resampling
	// filter corrects it by subtracting Droop times the second difference from
	// its input, or from its own weights: 1 to 2 dB at 1/8. It is 0 at 1/1.
	Droop float64
}

// Image is a decoded picture: a plane for each component, each with its own
// resolution.
type Image struct {
	Header
	// Scale is 1, 2, 4 or 8: the planes have 1/Scale of the picture's samples
	// in each direction; see also Plane.Scale.
	Scale int
	// Planes has Components entries, in the order of the ColorModel.
	Planes []Plane
}

// droop is the Droop at 1/scale: averaging k samples scales a wave by sin(pi f)
// / (k sin(pi f/k)), which is about 1 - (1-1/k^2)(pi f)^2/6.
func droop(scale int) float64 {
	d := (1 - 1/float64(scale*scale)) / 24
	if scale < 8 {
		d *= sharpness
	}
	return d
}

// Bounds is the rectangle of the first plane at its scale, rounded up.
func (m *Image) Bounds() image.Rectangle {
	return image.Rect(0, 0, ceilDiv(m.Width, m.Scale), ceilDiv(m.Height, m.Scale))
}

// ToImage returns the planes as an image of the standard library: *image.Gray,
// *image.YCbCr (whose planes share memory with m) or *image.RGBA. Ink becomes
// light without a profile. For sampling ratios that image.YCbCr lacks, samples
// are repeated into RGBA. It serves tests and small tools: for a thumbnail,
// resize plane by plane and combine the rows with [Header.RGBRow].
func (m *Image) ToImage() image.Image {
	r := m.Bounds()
	p := m.Planes
	switch m.ColorModel {
	case Gray:
		return &image.Gray{Pix: p[0].Pix, Stride: p[0].Stride, Rect: r}
	case YCbCr:
		if ratio, ok := m.subsampleRatio(); ok {
			return &image.YCbCr{
				Y: p[0].Pix, Cb: p[1].Pix, Cr: p[2].Pix,
				YStride: p[0].Stride, CStride: p[1].Stride,
				SubsampleRatio: ratio, Rect: r,
			}
		}
	}
	dst := image.NewRGBA(r)
	w, h := r.Dx(), r.Dy()
	var lines [4][]byte
	for i := range p {
		lines[i] = make([]byte, w)
	}
	rgb := make([]byte, 3*w)
	for y := range h {
		for i := range p {
			row := p[i].Pix[y*p[i].H/h*p[i].Stride:]
			for x := range w {
				lines[i][x] = row[x*p[i].W/w]
			}
		}
		m.RGBRow(rgb, lines[:len(p)]...)
		for x := range w {
			copy(dst.Pix[y*dst.Stride+4*x:], rgb[3*x:3*x+3])
			dst.Pix[y*dst.Stride+4*x+3] = 0xff
		}
	}
	return dst
}

// subsampleRatio finds the standard library's name for the planes' sampling.
func (m *Image) subsampleRatio() (image.YCbCrSubsampleRatio, bool) {
	s := m.Sampling
	for i, p := range m.Planes {
		finer := uint8(m.Scale / p.Scale)
		s[i].H *= finer
		s[i].V *= finer
	}
	if s[1] != s[2] || s[0].H%s[1].H != 0 || s[0].V%s[1].V != 0 || m.Planes[1].Stride != m.Planes[2].Stride {
		return 0, false
	}
	switch [2]uint8{s[0].H / s[1].H, s[0].V / s[1].V} {
	case [2]uint8{1, 1}:
		return image.YCbCrSubsampleRatio444, true
	case [2]uint8{2, 1}:
		return image.YCbCrSubsampleRatio422, true
	case [2]uint8{2, 2}:
		return image.YCbCrSubsampleRatio420, true
	case [2]uint8{1, 2}:
		return image.YCbCrSubsampleRatio440, true
	case [2]uint8{4, 1}:
		return image.YCbCrSubsampleRatio411, true
	case [2]uint8{4, 2}:
		return image.YCbCrSubsampleRatio410, true
	}
	return 0, false
}

// RGBRow converts samples of the picture's color model to R, G, B bytes: dst
// gets 3 bytes for each sample of planes[0]. The planes are rows after resizing
// and have equal lengths. Ink becomes light by (255-ink)*(255-black)/255. For
// the look of print, apply the ICC profile to the planes instead.
func (h *Header) RGBRow(dst []byte, planes ...[]byte) {
	n := len(planes[0])
	dst = dst[:3*n]
	switch h.ColorModel {
	case Gray:
		for i, v := range planes[0] {
			dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
		}
	case YCbCr:
		ys, cbs, crs := planes[0], planes[1][:n], planes[2][:n]
		for i, y := range ys {
			dst[3*i], dst[3*i+1], dst[3*i+2] = color.YCbCrToRGB(y, cbs[i], crs[i])
		}
	case RGB:
		rs, gs, bs := planes[0], planes[1][:n], planes[2][:n]
		for i, r := range rs {
			dst[3*i], dst[3*i+1], dst[3*i+2] = r, gs[i], bs[i]
		}
	case CMYK, YCCK:
		p0, p1, p2, p3 := planes[0], planes[1][:n], planes[2][:n], planes[3][:n]
		var flip byte = 0xff // turns ink into the light it lets through
		if h.Inverted {
			flip = 0
		}
		for i, k := range p3 {
			a, b, c := p0[i], p1[i], p2[i]
			if h.ColorModel == YCCK {
				a, b, c = color.YCbCrToRGB(a, b, c)
				a, b, c = ^a, ^b, ^c // YCC stands for the ink's complement
			}
			k ^= flip
			dst[3*i] = mul255(a^flip, k)
			dst[3*i+1] = mul255(b^flip, k)
			dst[3*i+2] = mul255(c^flip, k)
		}
	}
}

// mul255 is a*b/255, rounded.
func mul255(a, b byte) byte {
	t := uint32(a)*uint32(b) + 128
	return byte((t + t>>8) >> 8)
}
