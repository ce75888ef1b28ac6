package thumbnail

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestReducerAgainstThePlainWay(t *testing.T) {
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
				r := newReducer(w, h, channels, k)
				for y := range h {
					r.add(pix[y*w*channels : (y+1)*w*channels])
				}
				for c := range channels {
					comparePlane(t, fmt.Sprintf("%dx%d, channel %d of %d, by %d", w, h, c, channels, k), &r.planes[c], func(x, y int) byte {
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

func comparePlane(t *testing.T, what string, p *plane, want func(x, y int) byte) {
	t.Helper()
	for y := range p.h {
		for x := range p.w {
			if got := p.row(y)[x]; got != want(x, y) {
				t.Fatalf("%s: at %d,%d got %d, want %d", what, x, y, got, want(x, y))
			}
		}
	}
}

func TestReducerTakesNoMoreRowsThanThereAre(t *testing.T) {
	t.Parallel()
	r := newReducer(4, 3, 1, 2)
	for range 10 {
		r.add([]byte{9, 9, 9, 9})
	}
	if r.y != 2 || r.planes[0].row(1)[1] != 9 {
		t.Errorf("got %d rows, %v", r.y, r.planes[0].pix)
	}
}

func TestPremultiply(t *testing.T) {
	t.Parallel()
	for a := range 256 {
		for v := range 256 {
			row := []byte{byte(v), byte(v), byte(v), byte(a)}
			premultiply(row, 4)
			if want := byte((v*a*2 + 255) / 510); row[0] != want || row[2] != want {
				t.Fatalf("%d of %d: got %d, want %d", v, a, row[0], want)
			}
			row = []byte{byte(v), byte(a)}
			if premultiply(row, 2); row[0] != byte((v*a*2+255)/510) {
				t.Fatalf("grey %d of %d: got %d", v, a, row[0])
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
				r := newReducer(6000, 60, 3, k)
				for range 60 {
					r.add(row)
				}
			}
		})
	}
}
