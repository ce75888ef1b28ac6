package resample

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

// resamplePlainly is the same filter in floating point, one sample after the
// other.
func resamplePlainly(src *raster.Plane, sx, sy Span) []byte {
	weights := func(s Span, i int) (from int, ws []float64) {
		if s.Flip {
			i = s.N - 1 - i
		}
		scale := max(s.Step, 1)
		centre := s.Offset + (float64(i)+0.5)*s.Step
		from = -1
		var sum float64
		for k := range s.Size {
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
	out := make([]byte, 0, sx.N*sy.N)
	for y := range sy.N {
		y0, wy := weights(sy, y)
		for x := range sx.N {
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

func TestResampleMatchesTheReference(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		w, h   int
		sx, sy Span
	}{
		{100, 80, Span{N: 30, Step: 100 / 30.0}, Span{N: 24, Step: 80 / 24.0}},
		{100, 80, Span{N: 31, Step: 99.4 / 31, Flip: true}, Span{N: 25, Step: 79.3 / 25}},
		{100, 80, Span{N: 30, Step: 2.5, Offset: 12.5}, Span{N: 23, Step: 2.5, Offset: 10.25, Flip: true}},
		{64, 64, Span{N: 64, Step: 1}, Span{N: 64, Step: 1}},
		{40, 30, Span{N: 80, Step: 0.5}, Span{N: 60, Step: 0.5}},
		{7, 5, Span{N: 3, Step: 7 / 3.0}, Span{N: 2, Step: 2.5}},
		{1, 1, Span{N: 1, Step: 1}, Span{N: 1, Step: 1}},
		{1, 300, Span{N: 1, Step: 1}, Span{N: 20, Step: 15}},
		{300, 1, Span{N: 20, Step: 15}, Span{N: 1, Step: 1}},
		{9, 40, Span{N: 4, Step: 2.25}, Span{N: 13, Step: 40 / 13.0}},
		{41, 40, Span{N: 1, Step: 1, Offset: 40}, Span{N: 1, Step: 40}},
	} {
		tt.sx.Size, tt.sy.Size = tt.w, tt.h
		src := noisePlane(tt.w, tt.h, 7)
		want := resamplePlainly(&src, tt.sx, tt.sy)
		got := make([]byte, len(want))
		var r Resampler
		r.Resample(got, tt.sx.N, tt.sy.N, &src, NewAxis(tt.sx), NewAxis(tt.sy))
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
			t.Errorf("%dx%d to %dx%d: worst difference %d, %d of %d differ", tt.w, tt.h, tt.sx.N, tt.sy.N, worst, off, len(want))
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
		var r Resampler
		r.Resample(got, 50, 40, &src, NewAxis(Span{N: 50, Step: 333 / 50.0, Size: 333}), NewAxis(Span{N: 40, Step: 222 / 40.0, Size: 222}))
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
		columns := NewAxis(Span{N: 200, Step: float64(dim[0]) / 200, Size: dim[0]})
		rows := NewAxis(Span{N: 133, Step: float64(dim[1]) / 133, Size: dim[1]})
		var r Resampler
		b.Run(fmt.Sprintf("src=%dx%d", dim[0], dim[1]), func(b *testing.B) {
			b.SetBytes(int64(dim[0] * dim[1]))
			b.ReportAllocs()
			for b.Loop() {
				r.Resample(dst, 200, 133, &src, columns, rows)
			}
		})
	}
	b.Run("axis", func(b *testing.B) {
		for b.Loop() {
			NewAxis(Span{N: 200, Step: 3.75, Size: 750})
		}
	})
}
