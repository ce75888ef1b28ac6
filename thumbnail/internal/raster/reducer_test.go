package raster

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestReducerMatchesTheReference(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, k := range []int{1, 2, 3, 5, 8, 15, 256} {
		for channels := 1; channels <= 4; channels++ {
			for range 6 {
				w, h := 1+rng.IntN(70), 1+rng.IntN(40)
				if k == 256 {
					w, h = 300, 300
				}
				pix := make([]byte, w*h*channels)
				for i := range pix {
					pix[i] = byte(rng.Uint32())
					if k == 256 {
						pix[i] |= 0xf0 // the greatest sums
					}
				}
				r := NewReducer(w, h, channels, k)
				for y := range h {
					r.Add(pix[y*w*channels : (y+1)*w*channels])
				}
				for c := range channels {
					comparePlane(t, fmt.Sprintf("%dx%d, channel %d of %d, by %d", w, h, c, channels, k), &r.Planes[c], func(x, y int) byte {
						var sum, n int
						for j := y * k; j < min((y+1)*k, h); j++ {
							for i := x * k; i < min((x+1)*k, w); i++ {
								sum += int(pix[(j*w+i)*channels+c])
								n++
							}
						}
						return byte((sum + n/2) / n)
					})
				}
			}
		}
	}
}

func comparePlane(t *testing.T, what string, p *Plane, want func(x, y int) byte) {
	t.Helper()
	for y := range p.H {
		for x := range p.W {
			if got := p.Row(y)[x]; got != want(x, y) {
				t.Fatalf("%s: at %d,%d got %d, want %d", what, x, y, got, want(x, y))
			}
		}
	}
}

func TestReducerTakesNoMoreRowsThanThereAre(t *testing.T) {
	t.Parallel()
	r := NewReducer(4, 3, 1, 2)
	for range 10 {
		r.Add([]byte{9, 9, 9, 9})
	}
	if r.y != 2 || r.Planes[0].Row(1)[1] != 9 {
		t.Errorf("got %d rows, %v", r.y, r.Planes[0].Pix)
	}
}

func TestPremultiply(t *testing.T) {
	t.Parallel()
	for a := range 256 {
		for v := range 256 {
			row := []byte{byte(v), byte(v), byte(v), byte(a)}
			Premultiply(row, 4)
			if want := byte((v*a*2 + 255) / 510); row[0] != want || row[2] != want {
				t.Fatalf("%d of %d: got %d, want %d", v, a, row[0], want)
			}
			row = []byte{byte(v), byte(a)}
			if Premultiply(row, 2); row[0] != byte((v*a*2+255)/510) {
				t.Fatalf("grey %d of %d: got %d", v, a, row[0])
			}
		}
	}
}

func TestHalveMatchesTheReference(t *testing.T) {
	t.Parallel()
	for w := 1; w < 40; w++ {
		for _, h := range []int{1, 2, 3, 8} {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			src := NewPlane(w, h)
			for i := range src.Pix {
				src.Pix[i] = byte(rng.Uint32())
			}
			got := src.halve()
			if got.W != (w+1)/2 || got.H != (h+1)/2 || got.ExtentW != float64(w)/2 || got.ExtentH != float64(h)/2 {
				t.Fatalf("%dx%d: got %dx%d, extent %gx%g", w, h, got.W, got.H, got.ExtentW, got.ExtentH)
			}
			for y := range got.H {
				for x := range got.W {
					x1, y1 := min(2*x+1, w-1), min(2*y+1, h-1)
					sum := int(src.Row(2 * y)[2*x]) + int(src.Row(2 * y)[x1]) + int(src.Row(y1)[2*x]) + int(src.Row(y1)[x1])
					if want := byte((sum + 2) / 4); got.Row(y)[x] != want {
						t.Fatalf("%dx%d at %d,%d: got %d, want %d", w, h, x, y, got.Row(y)[x], want)
					}
				}
			}
		}
	}
}

func BenchmarkReduce(b *testing.B) {
	row := make([]byte, 6000*3)
	for _, k := range []int{2, 15} {
		b.Run(fmt.Sprintf("rgb/k=%d", k), func(b *testing.B) {
			b.SetBytes(int64(len(row) * 60))
			for b.Loop() {
				r := NewReducer(6000, 60, 3, k)
				for range 60 {
					r.Add(row)
				}
			}
		})
	}
}
