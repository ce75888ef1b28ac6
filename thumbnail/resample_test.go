package thumbnail

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

func noisePlane(w, h int, seed uint64) raster.Plane {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := raster.NewPlane(w, h)
	for i := range p.Pix {
		p.Pix[i] = byte(rng.Uint32())
	}
	return p
}

// resamplePlainly is the same filter in floating point, one sample after the other.
func resamplePlainly(src *raster.Plane, sx, sy span) []byte {
	weights := func(s span, i int) (from int, ws []float64) {
		if s.flip {
			i = s.n - 1 - i
		}
		scale := max(s.step, 1)
		centre := s.offset + (float64(i)+0.5)*s.step
		from = -1
		var sum float64
		for k := range s.size {
			x := (float64(k) + 0.5 - centre) / scale
			if math.Abs(x) >= 3 {
				continue
			}
			if from < 0 {
				from = k
			}
			v := 1.0
			if x != 0 {
				v = math.Sin(math.Pi*x) / (math.Pi * x) * math.Sin(math.Pi*x/3) / (math.Pi * x / 3)
			}
			ws = append(ws, v)
			sum += v
		}
		for k := range ws {
			ws[k] /= sum
		}
		return from, ws
	}
	out := make([]byte, 0, sx.n*sy.n)
	for y := range sy.n {
		y0, wy := weights(sy, y)
		for x := range sx.n {
			x0, wx := weights(sx, x)
			var sum float64
			for j, fy := range wy {
				for i, fx := range wx {
					sum += fx * fy * float64(src.Pix[(y0+j)*src.Stride+x0+i])
				}
			}
			out = append(out, byte(math.Round(min(max(sum, 0), 255))))
		}
	}
	return out
}

func TestResampleAgainstThePlainWay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		w, h   int
		sx, sy span
	}{
		{100, 80, span{n: 30, step: 100 / 30.0}, span{n: 24, step: 80 / 24.0}},
		{100, 80, span{n: 31, step: 99.4 / 31, flip: true}, span{n: 25, step: 79.3 / 25}},
		{100, 80, span{n: 30, step: 2.5, offset: 12.5}, span{n: 23, step: 2.5, offset: 10.25, flip: true}},
		{64, 64, span{n: 64, step: 1}, span{n: 64, step: 1}},
		{40, 30, span{n: 80, step: 0.5}, span{n: 60, step: 0.5}},
		{7, 5, span{n: 3, step: 7 / 3.0}, span{n: 2, step: 2.5}},
		{1, 1, span{n: 1, step: 1}, span{n: 1, step: 1}},
		{1, 300, span{n: 1, step: 1}, span{n: 20, step: 15}},
		{300, 1, span{n: 20, step: 15}, span{n: 1, step: 1}},
		{9, 40, span{n: 4, step: 2.25}, span{n: 13, step: 40 / 13.0}},
		{41, 40, span{n: 1, step: 1, offset: 40}, span{n: 1, step: 40}},
	} {
		tt.sx.size, tt.sy.size = tt.w, tt.h
		src := noisePlane(tt.w, tt.h, 7)
		want := resamplePlainly(&src, tt.sx, tt.sy)
		got := make([]byte, len(want))
		var r resampler
		r.resample(got, tt.sx.n, tt.sy.n, &src, newAxis(tt.sx), newAxis(tt.sy))
		var off, worst int
		for i := range want {
			d := int(testpicture.AbsDiff(got[i], want[i]))
			worst = max(worst, d)
			if d > 0 {
				off++
			}
		}
		// Weights of 14 bits round a few sums to the other side.
		if worst > 1 || off*20 > len(want)+20 {
			t.Errorf("%dx%d to %dx%d: worst difference %d, %d of %d differ", tt.w, tt.h, tt.sx.n, tt.sy.n, worst, off, len(want))
		}
	}
}

func TestResampleKeepsFlatPicturesFlat(t *testing.T) {
	t.Parallel()
	for _, v := range []byte{0, 1, 127, 254, 255} {
		src := raster.NewPlane(333, 222)
		for i := range src.Pix {
			src.Pix[i] = v
		}
		got := make([]byte, 50*40)
		var r resampler
		r.resample(got, 50, 40, &src, newAxis(span{n: 50, step: 333 / 50.0, size: 333}), newAxis(span{n: 40, step: 222 / 40.0, size: 222}))
		for i := range got {
			if got[i] != v {
				t.Fatalf("got %d at %d, want %d: weights must add up exactly", got[i], i, v)
			}
		}
	}
}

func BenchmarkResample(b *testing.B) {
	for _, dim := range [][2]int{{750, 500}, {400, 267}, {1500, 1000}} {
		src := noisePlane(dim[0], dim[1], 1)
		dst := make([]byte, 200*133)
		columns := newAxis(span{n: 200, step: float64(dim[0]) / 200, size: dim[0]})
		rows := newAxis(span{n: 133, step: float64(dim[1]) / 133, size: dim[1]})
		var r resampler
		b.Run(fmt.Sprintf("src=%dx%d", dim[0], dim[1]), func(b *testing.B) {
			b.SetBytes(int64(dim[0] * dim[1]))
			b.ReportAllocs()
			for b.Loop() {
				r.resample(dst, 200, 133, &src, columns, rows)
			}
		})
	}
	b.Run("axis", func(b *testing.B) {
		for b.Loop() {
			newAxis(span{n: 200, step: 3.75, size: 750})
		}
	})
}
