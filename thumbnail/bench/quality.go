package main

import (
	"errors"
	"image"
	"math"
)

// pixels is a picture as sRGB bytes.
type pixels struct {
	w, h int
	rgb  []byte
}

var errSize = errors.New("pictures differ in size")

func pixelsOf(img image.Image) *pixels {
	b := img.Bounds()
	p := &pixels{w: b.Dx(), h: b.Dy(), rgb: make([]byte, 0, 3*b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			p.rgb = append(p.rgb, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return p
}

// psnr is the peak signal-to-noise ratio over all channels, in dB. It is 99 for
// equal pictures.
func psnr(a, b *pixels) (float64, error) {
	if a.w != b.w || a.h != b.h || len(a.rgb) != len(b.rgb) {
		return 0, errSize
	}
	var sum float64
	for i := range a.rgb {
		d := float64(a.rgb[i]) - float64(b.rgb[i])
		sum += d * d
	}
	if sum == 0 {
		return 99, nil
	}
	return min(99, 10*math.Log10(255*255*float64(len(a.rgb))/sum)), nil
}

// ssim is the mean structural similarity of luma (Wang et al. 2004): windows of
// 11 x 11 under a Gaussian of 1.5.
func ssim(a, b *pixels) (float64, error) {
	if a.w != b.w || a.h != b.h || len(a.rgb) != len(b.rgb) {
		return 0, errSize
	}
	const c1, c2 = 0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255
	x, y := a.luma(), b.luma()
	product := func(p, q []float64) []float64 {
		out := make([]float64, len(p))
		for i := range p {
			out[i] = p[i] * q[i]
		}
		return blur(out, a.w, a.h)
	}
	mx, my := blur(x, a.w, a.h), blur(y, a.w, a.h)
	xx, yy, xy := product(x, x), product(y, y), product(x, y)
	var sum float64
	for i := range mx {
		vx, vy, cov := xx[i]-mx[i]*mx[i], yy[i]-my[i]*my[i], xy[i]-mx[i]*my[i]
		sum += (2*mx[i]*my[i] + c1) * (2*cov + c2) / ((mx[i]*mx[i] + my[i]*my[i] + c1) * (vx + vy + c2))
	}
	return sum / float64(len(mx)), nil
}

func (p *pixels) luma() []float64 {
	out := make([]float64, p.w*p.h)
	for i := range out {
		out[i] = 0.299*float64(p.rgb[3*i]) + 0.587*float64(p.rgb[3*i+1]) + 0.114*float64(p.rgb[3*i+2])
	}
	return out
}

// blur applies the window in both directions. At the edges the window is cut and
// its weights are normalised.
func blur(p []float64, w, h int) []float64 {
	var kernel [11]float64
	for i := range kernel {
		kernel[i] = math.Exp(-float64((i-5)*(i-5)) / (2 * 1.5 * 1.5))
	}
	pass := func(src []float64, n, step, lines, lineStep int) []float64 {
		out := make([]float64, len(src))
		for l := range lines {
			for i := range n {
				var sum, weight float64
				for k, v := range kernel {
					if j := i + k - 5; j >= 0 && j < n {
						sum += v * src[l*lineStep+j*step]
						weight += v
					}
				}
				out[l*lineStep+i*step] = sum / weight
			}
		}
		return out
	}
	return pass(pass(p, w, 1, h, w), h, w, w, 1)
}
