package smartcrop

import (
	"math/rand/v2"
	"testing"
)

func TestSmartCropOfAPlainPictureIsTheCentre(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 96} {
		energy := make([]float64, n)
		got, want := bestPart(energy, 0.5), 0.5
		if got < want-1/float64(n) || got > want+1/float64(n) {
			t.Errorf("%d columns: is at %.2f, want %.2f", n, got, want)
		}
	}
}

func TestSmartCropStaysInside(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		w, h := 1+rng.IntN(500), 1+rng.IntN(500)
		i := &Interest{columns: make([]float64, 1+rng.IntN(96)), rows: make([]float64, 1+rng.IntN(96))}
		for k := range i.columns {
			i.columns[k] = rng.Float64() * 1000
		}
		for k := range i.rows {
			i.rows[k] = rng.Float64() * 1000
		}
		// A crop of the whole width or of the whole height, in the centre.
		cw, ch := float64(w), float64(h)
		if rng.IntN(2) == 0 {
			cw *= rng.Float64()
		} else {
			ch *= rng.Float64()
		}
		x, y := i.Place((float64(w)-cw)/2, (float64(h)-ch)/2, cw, ch, w, h)
		if x < 0 || y < 0 || x+cw > float64(w)+1e-6 || y+ch > float64(h)+1e-6 {
			t.Fatalf("%dx%d: crop at %g,%g of %gx%g lies outside", w, h, x, y, cw, ch)
		}
	}
}
