package scaledjpeg

import (
	"bytes"
	"math"
	"testing"
)

// lanczos3 is the kernel that thumbnails are judged by.
func lanczos3(x float64) float64 {
	switch {
	case x == 0:
		return 1
	case x <= -3 || x >= 3:
		return 0
	}
	return 3 * math.Sin(math.Pi*x) * math.Sin(math.Pi*x/3) / (math.Pi * math.Pi * x * x)
}

// lanczosRows resizes each row of w samples, of which the first extent are
// picture, to n samples, and returns the result transposed.
func lanczosRows(src []float64, w, h int, extent float64, n int) []float64 {
	step := extent / float64(n)
	width := max(step, 1)
	out := make([]float64, n*h)
	for x := range n {
		center := (float64(x) + .5) * step
		lo, hi := int(math.Floor(center-3*width)), int(math.Ceil(center+3*width))
		sum := 0.0
		for i := lo; i <= hi; i++ {
			weight := lanczos3((float64(i) + .5 - center) / width)
			sum += weight
			j := min(max(i, 0), w-1)
			for y := range h {
				out[x*h+y] += weight * src[y*w+j]
			}
		}
		for y := range h {
			out[x*h+y] /= sum
		}
	}
	return out
}

func lanczos(p Plane, w, h int) []float64 {
	src := make([]float64, p.W*p.H)
	for i := range src {
		src[i] = float64(p.Pix[i/p.W*p.Stride+i%p.W])
	}
	t := lanczosRows(src, p.W, p.H, p.ExtentW, w)
	return lanczosRows(t, p.H, w, p.ExtentH, h)
}

// boxes averages scale x scale samples: what libjpeg's reduced transforms do.
func boxes(p Plane, scale int) Plane {
	b := Plane{
		W: ceilDiv(p.W, scale), H: ceilDiv(p.H, scale),
		ExtentW: p.ExtentW / float64(scale), ExtentH: p.ExtentH / float64(scale),
	}
	b.Stride = b.W
	for y := range b.H {
		for x := range b.W {
			sum := scale * scale / 2
			for j := range scale {
				for i := range scale {
					sum += int(p.Pix[(y*scale+j)*p.Stride+x*scale+i]) // the stride has the padding
				}
			}
			b.Pix = append(b.Pix, byte(sum/(scale*scale)))
		}
	}
	return b
}

func psnr(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return 10 * math.Log10(255*255*float64(len(a))/sum)
}

// Thumbnails of half a reduced picture's size against those of the full
// picture, both by Lanczos3. The floors are 1 dB below what was measured, and
// the reduced picture must beat the box average of the full one.
func TestQuality(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		made   []byte
		floors [3]float64 // at 1/8, 1/4, 1/2
	}{
		{"made", camera(1200, 800, false), [3]float64{55.8, 59.3, 62.6}},
		{"2569067123_aca715a2ee_o.jpg", nil, [3]float64{50.6, 56.2, 61.8}},
		{"Landscape_1.jpg", nil, [3]float64{45.9, 49.5, 52.4}},
		{"Portrait_1.jpg", nil, [3]float64{46.3, 48.8, 51.7}},
	}
	for _, tt := range tests {
		data := tt.made
		if data == nil {
			var ok bool
			if data, ok = photo(t, tt.name); !ok {
				continue
			}
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if underRace {
				t.Skip("floating point of whole pictures takes the race detector minutes, and there is one goroutine")
			}
			full, err := Decode(bytes.NewReader(data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, scale := range []int{8, 4, 2} {
				m, err := Decode(bytes.NewReader(data), Options{Scale: scale})
				if err != nil {
					t.Fatal(err)
				}
				w, h := full.Width/scale/2, full.Height/scale/2
				want := lanczos(full.Planes[0], w, h)
				got := psnr(lanczos(m.Planes[0], w, h), want)
				box := psnr(lanczos(boxes(full.Planes[0], scale), w, h), want)
				t.Logf("1/%d to %dx%d: %.1f dB, by box averages %.1f dB", scale, w, h, got, box)
				if got < tt.floors[i] || scale < 8 && got < box+1 {
					t.Errorf("1/%d to %dx%d: %.1f dB, want %.1f, and more than %.1f by box averages", scale, w, h, got, tt.floors[i], box)
				}
			}
		})
	}
}

// Droop is the first term of what is missing from a long wave.
func TestDroop(t *testing.T) {
	t.Parallel()
	// One block of the lowest wave: f is 1/16 cycle a sample at full size.
	for _, scale := range []int{1, 2, 4} {
		n := 8 / scale
		f := float64(scale) / 16
		want := 1 - droop(scale)*math.Pow(2*math.Pi*f, 2)
		if got := response(n, 1); math.Abs(got-want) > .01 {
			t.Errorf("1/%d: the response is %.4f, Droop says %.4f", scale, got, want)
		}
	}
	if d := droop(8); d != (1-1./64)/24 {
		t.Errorf("1/8: got %v", d)
	}
}
